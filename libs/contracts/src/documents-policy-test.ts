import {
  changeClaim,
  exchangeReasons,
  parseKey,
  type Claims,
  type PolicyTest,
  type PolicyTestCase,
} from '@countersign/policy-engine';
import { z } from 'zod';
import { envelope, parseWith } from './documents';
import { documentName, listOf, listOrNone, nonEmpty, reject } from './documents-fields';
import { claimForm, scopeForm } from './documents-json-forms';
import type { FieldError } from './problems';

const claims = z.record(z.string(), z.unknown());

/** A claim's name or JSON Pointer; the spelling of condition keys is accepted. */
const claimName = nonEmpty.meta(claimForm).transform((written, ctx) => {
  const name = written.replace(/^jwt:/, '');
  if (parseKey(`jwt:${name}`) === null) reject(ctx, 'invalid_claim', 'must be the name of a claim or a JSON Pointer');
  return name;
});

/** `role:NAME` and `policy:NAME`, separated by spaces, as the token endpoint takes them (RFC 6749 §3.3). */
const scope = z
  .string()
  .superRefine((value, ctx) => {
    if (namesIn(value, '(?:role|policy)').length !== value.split(' ').filter((item) => item !== '').length) {
      reject(ctx, 'invalid_scope', 'must be role:NAME and policy:NAME, separated by spaces');
    }
  })
  .meta(scopeForm);

const namesIn = (written = '', kind: string): string[] =>
  written.split(' ').flatMap((item) => new RegExp(`^${kind}:([a-z0-9][-a-z0-9.]{0,252})$`).exec(item)?.[1] ?? []);

const time = z.iso.datetime({ offset: true, error: 'must be an RFC 3339 time' });

/** Only what is read by whoever sends the document: a file's place means nothing to the server. */
const claimsFile = z.unknown().superRefine((_, ctx) => {
  reject(ctx, 'claims_file', 'is read by the countersign command, not by the server: give claims instead');
});

const reasons = [...exchangeReasons, 'issuer_unknown'] as const;

const expectFields = z
  .strictObject({
    outcome: z.enum(['granted', 'denied']),
    roles: listOrNone(documentName).optional(),
    policies: listOrNone(documentName).optional(),
    reason: z.enum(reasons).optional(),
    decision: z.boolean().optional(),
  })
  .superRefine((expected, ctx) => {
    const misplaced =
      expected.outcome === 'granted' ? (['reason'] as const) : (['roles', 'policies', 'decision'] as const);
    for (const member of misplaced) {
      if (expected[member] === undefined) continue;
      reject(ctx, 'contradiction', `says nothing of an exchange that is ${expected.outcome}`, [member]);
    }
  });

/** What the test says of all its cases and each case may say for itself. */
const requestFields = {
  issuer: documentName.optional(),
  claims: claims.optional(),
  claimsFile: claimsFile.optional(),
  audience: listOf(nonEmpty).optional(),
  scope: scope.optional(),
  sourceIp: z.union([z.ipv4(), z.ipv6()], { error: 'must be an IP address' }).optional(),
  time: time.optional(),
  action: nonEmpty.optional(),
  resource: nonEmpty.optional(),
  mayDiffer: listOrNone(claimName).optional(),
};

const caseFields = z.strictObject({
  name: nonEmpty.max(200),
  ...requestFields,
  change: z.record(claimName, z.unknown()).optional(),
  expect: expectFields,
});

const specFields = z.strictObject({ ...requestFields, cases: z.array(caseFields).min(1).max(1_000) });

type WrittenSpec = z.infer<typeof specFields>;
type WrittenCase = z.infer<typeof caseFields>;
type Expect = z.infer<typeof expectFields>;

/** PolicyTest.spec as written -> cases that stand by themselves. */
const policyTestSpec = specFields.transform((spec, ctx): PolicyTestCase[] => {
  const names = new Set<string>();
  return spec.cases.map((written, index) => {
    const at = ['cases', index];
    if (names.has(written.name)) reject(ctx, 'duplicate_case', 'another case has this name', [...at, 'name']);
    names.add(written.name);
    return normalised(spec, written, (code, message, member) => reject(ctx, code, message, [...at, member]));
  });
});

type Refuse = (code: string, message: string, member: string) => void;

function normalised({ cases: _, ...shared }: WrittenSpec, written: WrittenCase, refuse: Refuse): PolicyTestCase {
  const { name, change, expect, ...request } = { ...shared, ...written };
  refuseIncomplete(request, expect, refuse);
  const [roles, policies] = [namesIn(request.scope, 'role'), namesIn(request.scope, 'policy')];
  return {
    name,
    issuer: request.issuer ?? null,
    claims: changedClaims(request.claims, change),
    audiences: request.audience ?? [],
    roles: roles.length > 0 ? roles : null,
    policies: policies.length > 0 ? policies : null,
    sourceIp: request.sourceIp ?? null,
    time: request.time === undefined ? null : Date.parse(request.time) / 1_000,
    permission: permissionOf(request),
    expect: expectationOf(expect),
    mayDiffer: request.mayDiffer ?? [],
  };
}

type Request = Omit<WrittenSpec, 'cases'>;

function refuseIncomplete({ claims: given, action, resource }: Request, expect: Expect, refuse: Refuse): void {
  if (given === undefined) refuse('required', 'is required, here or in spec', 'claims');
  if ((action === undefined) !== (resource === undefined))
    refuse('required', 'is required: action and resource come together', action === undefined ? 'action' : 'resource');
  else if (expect.decision !== undefined && action === undefined)
    refuse('required', 'is required where a decision is expected', 'action');
}

/** null takes a claim away. */
const changedClaims = (base: Claims = {}, change: Claims = {}): Claims =>
  Object.entries(change).reduce<Claims>(
    (sofar, [claim, value]) => changeClaim(sofar, claim, value === null ? undefined : value),
    base,
  );

const permissionOf = ({ action, resource }: Request): PolicyTestCase['permission'] =>
  action === undefined || resource === undefined ? null : { action, resource };

const expectationOf = (expect: Expect): PolicyTestCase['expect'] => ({
  outcome: expect.outcome,
  roles: expect.roles?.toSorted() ?? null,
  policies: expect.policies?.toSorted() ?? null,
  reason: expect.reason ?? null,
  decision: expect.decision ?? null,
});

export const policyTestSchema = envelope('PolicyTest', policyTestSpec).extend({
  apiVersion: z.literal('countersign.dev/v1'),
});

export type ParsePolicyTestResult =
  { ok: true; test: PolicyTest } | { ok: false; errors: FieldError[]; kind?: string; name?: string };

/** Validates one PolicyTest as it came out of YAML or JSON. Never throws. */
export function parsePolicyTest(raw: unknown): ParsePolicyTestResult {
  const result = parseWith(policyTestSchema, raw);
  if (!result.ok) return result;
  const { kind, metadata, spec } = result.data;
  return { ok: true, test: { kind, name: metadata.name, cases: spec } };
}

/** Whether a raw document is a PolicyTest, which is run and never stored. */
export const isPolicyTest = (raw: unknown): boolean =>
  typeof raw === 'object' && raw !== null && 'kind' in raw && raw.kind === 'PolicyTest';
