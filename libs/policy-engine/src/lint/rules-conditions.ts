import { evaluateCheck, type Check } from '../conditions';
import type { JwtIssuerDocument } from '../documents';
import { claimTypes, type ClaimType } from './claim-types';
import type { Draft, RoleRule } from './lint-rule';
import { bindingChecks, isPattern, isText, issuersPath, platformsOf, type RoleCheck } from './role-view';
import { example, fill, namesDomain } from './tenant-binding';

const identityClaims = [
  ...[
    'sub',
    'repository',
    'repository_id',
    'repository_owner',
    'repository_owner_id',
    'ref',
    'environment',
    'event_name',
  ],
  ...['project_id', 'project_path', 'namespace_id', 'namespace_path', 'ref_protected', 'tid', 'email', 'groups'],
];

const optionalIdentity: RoleRule = {
  id: 'CS008',
  kind: 'Role',
  severity: 'warning',
  title: 'a condition that a token without the claim passes (IfExists), or that says only who it is not',
  example: 'condition: { StringEqualIfExists: { jwt:environment: [production] } }',
  fix: 'Say what the claim must be, without IfExists and without Not.',
  lint: (role) =>
    role.checks
      .filter(
        ({ claim, binding, operator }) =>
          !binding && operator.comparison !== 'null' && identityClaims.includes(claim ?? ''),
      )
      .filter(({ claim }) => bindingChecks(role, [claim ?? '']).length === 0)
      .map(({ path, claim, operator }) => ({
        path,
        message: operator.ifExists
          ? `tokens without ${claim} pass`
          : `everybody passes whose ${claim} is none of the listed ones`,
        admits: operator.ifExists ? [] : [example(claim ?? 'sub', 'evil')],
      })),
};

const mailClaims = /^(|.*_)(email|preferred_username|upn|unique_name)$/;

const openMail: RoleRule = {
  id: 'CS017',
  kind: 'Role',
  severity: 'error',
  title: 'a mail address whose domain is not written out, or has no @ before it',
  example: "condition: { StringLike: { jwt:email: ['*example.com'] } }",
  fix: "Write @ and the whole domain after the last wildcard: '*@example.com'.",
  lint: (role) =>
    role.checks
      .filter((check) => check.binding && isPattern(check) && mailClaims.test(check.claim ?? ''))
      .flatMap(({ claim, values, path }) =>
        values.flatMap((value, index) =>
          namesDomain(value)
            ? []
            : [
                {
                  path: `${path}/${index}`,
                  message: 'also matches addresses of other domains',
                  admits: [`${claim}=${otherAddress(value)}, email_verified=true`],
                },
              ],
        ),
      ),
};

/** An address of another domain that the pattern matches. */
function otherAddress(pattern: string): string {
  const candidates = ['x@evil', 'evil', 'x@evil.example', 'x'].flatMap((first) =>
    ['evil.example', 'evil'].map((later) => fill(pattern, first, later)),
  );
  return candidates.find((candidate) => /^[^@]+@[^@]+$/.test(candidate)) ?? pattern;
}

const changeable = [
  'preferred_username',
  'upn',
  'unique_name',
  'user_login',
  'user_email',
  'actor',
  'name',
  'nickname',
  'login',
];

const changeableNames: RoleRule = {
  id: 'CS018',
  kind: 'Role',
  severity: 'warning',
  title: 'a name that people can change or hand on says who they are',
  example: 'condition: { StringEqual: { jwt:preferred_username: [alice] } }',
  fix: 'Use the id that never changes: jwt:sub (jwt:oid with Entra, jwt:actor_id or jwt:user_id with GitHub and GitLab).',
  lint: (role) => {
    if (bindingChecks(role, ['sub', 'oid', 'actor_id', 'user_id', 'repository_id', 'repository_owner_id']).length > 0)
      return [];
    return bindingChecks(role, changeable).map(({ path, claim, values }) => ({
      path,
      message: `${claim} is not an identity: whoever gets the name gets the role`,
      admits: [`${claim}=${fill(values[0] ?? '', 'x', 'x')}, sub=somebody-else`],
    }));
  },
};

const entraMail: RoleRule = {
  id: 'CS019',
  kind: 'Role',
  severity: 'warning',
  title: 'email with Entra, whose tokens do not say that an address was verified',
  example: "condition: { StringLike: { jwt:email: ['*@example.com'] } }",
  fix: 'Use jwt:oid, or jwt:groups under ForAnyValue:StringEqual.',
  lint: (role) =>
    platformsOf(role).some(({ platform }) => platform === 'entra')
      ? bindingChecks(role, ['email']).map(({ path }) => ({
          path,
          message: 'is not met without email_verified, which Entra does not send',
        }))
      : [],
};

const unknownIssuer: RoleRule = {
  id: 'CS020',
  kind: 'Role',
  severity: 'warning',
  title: 'a pinned iss that no enabled JwtIssuer has',
  example: 'condition: { StringEqual: { jwt:iss: [https://gitlab.example.com/] } }',
  fix: 'Write the iss as its JwtIssuer has it, byte for byte, or apply the JwtIssuer.',
  lint: (role, { issuers }) =>
    role.issuers
      .filter(({ document }) => document === null || document.spec.disabled)
      .map(({ iss, document, index }) => ({
        path: `${issuersPath}/${index}`,
        message: document ? `JwtIssuer "${document.name}" is disabled` : `no JwtIssuer has the iss ${iss}`,
        ...near(iss, issuers),
      })),
};

const plain = (iss: string): string => iss.toLowerCase().replace(/\/+$/, '');

function near(iss: string, issuers: ReadonlyMap<string, JwtIssuerDocument>): Pick<Draft, 'fix'> {
  const found = [...issuers.keys()].find((known) => known !== iss && plain(known) === plain(iss));
  return found === undefined ? {} : { fix: `Write ${found}, as the JwtIssuer has it.` };
}

const contradiction: RoleRule = {
  id: 'CS021',
  kind: 'Role',
  severity: 'error',
  title: 'conditions that no token can meet together',
  example: 'condition: { StringEqual: { jwt:ref: [refs/heads/main] }, StringLike: { jwt:ref: [refs/tags/*] } }',
  fix: 'Values of one key are alternatives, keys and operators are not: put the alternatives into one list, or write two Roles.',
  lint: ({ checks }) => contradictions(checks),
};

/** Listed values of which none passes the other conditions on the same claim. */
export function contradictions(checks: readonly Check[]): Draft[] {
  const reported = new Set<string>();
  return checks.filter(lists).flatMap((check) => {
    const others = checks.filter((other) => other !== check && other.key === check.key && comparable(other));
    const rival = others.find((other) => !check.values.some((value) => passes(other, value)));
    if (!rival || reported.has(check.key) || check.values.some((value) => value.includes('${'))) return [];
    reported.add(check.key);
    return [{ path: check.path, message: `none of the values passes ${rival.path}` }];
  });
}

/** Values that stand for themselves. */
const lists = ({ operator }: Check): boolean =>
  operator.comparison === 'equal' && !operator.negative && operator.quantifier === null && !operator.ifExists;

const comparable = (check: Check): boolean =>
  check.operator.comparison === 'null' ||
  (isText(check) && check.operator.quantifier === null && !check.values.some((value) => value.includes('${')));

function passes(check: Check, value: string): boolean {
  const claim = check.attribute.path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
  const entity = { type: value, id: value, properties: claim as Record<string, unknown> };
  const attributes = {
    claims: { email_verified: true, ...(claim as Record<string, unknown>) },
    ctx: { sourceIp: value, time: 0, audience: [value] },
    subject: entity,
    resource: entity,
    action: { name: value, properties: entity.properties },
    context: entity.properties,
  };
  return evaluateCheck(check, attributes) === 'satisfied';
}

const wrongType: RoleRule = {
  id: 'CS022',
  kind: 'Role',
  // What a platform puts into a claim may change: the Role then grants nothing, which is no danger.
  severity: 'warning',
  title: 'an operator that does not fit the type the claim has in tokens of the platform',
  example: 'condition: { Bool: { jwt:ref_protected: true } }',
  fix: "Use the operator that fits: StringEqual for texts ('true' and '42' of GitHub and GitLab are texts), ForAnyValue: for lists, Bool, Numeric….",
  lint: (role) => {
    const platforms = platformsOf(role);
    return role.checks
      .filter(({ binding, key }) => binding && key !== 'jwt:iss')
      .flatMap((check) => {
        const types = platforms.map(({ platform }) => claimTypes[platform]?.[check.claim ?? '']);
        const misfit = types.length > 0 && types.every((type) => type !== undefined && !fits(check, type));
        return misfit
          ? [
              {
                path: check.path,
                message: `${check.claim} is ${says[types[0] ?? 'text']} there, which the operator never accepts`,
              },
            ]
          : [];
      });
  },
};

const says: Record<ClaimType, string> = {
  text: 'a text',
  number: 'a number',
  boolean: 'true or false',
  texts: 'a list of texts',
};

function fits({ operator }: RoleCheck, type: ClaimType): boolean {
  const { comparison, quantifier } = operator;
  const isNumeric = comparison.startsWith('numeric');
  if (type === 'number') return isNumeric;
  if (type === 'boolean') return comparison === 'bool';
  const isPlain = !isNumeric && comparison !== 'bool';
  return isPlain && (type === 'text' || quantifier !== null);
}

export const conditionRules: readonly RoleRule[] = [
  optionalIdentity,
  openMail,
  changeableNames,
  entraMail,
  unknownIssuer,
  contradiction,
  wrongType,
];
