import { checkIssuers, type Finding, type IssuerProblem, type IssuerRegistration } from '@countersign/contracts';
import type { Bus } from '@countersign/messaging';
import type { JwtIssuerDocument } from '@countersign/policy-engine';

/** What discovery needs to know of an issuer. */
export const registrationOf = ({ name, spec }: JwtIssuerDocument): IssuerRegistration => ({
  name,
  iss: spec.iss,
  aud: spec.aud,
  tokenExpiry: spec.tokenExpiry,
  algorithms: spec.algorithms,
  clockSkew: spec.clockSkew,
  maxTokenAge: spec.maxTokenAge,
  singleUse: spec.singleUse,
  typ: spec.typ,
  allowMissingKid: spec.allowMissingKid,
  strictAudience: spec.strictAudience,
  carry: spec.carry,
  platform: spec.platform,
  boundToSubjectExpiry: spec.boundToSubjectExpiry,
  issInternal: spec.issInternal,
  jwksUri: spec.jwksUri,
  jwks: spec.jwks,
  caCertificate: spec.caCertificate,
  disabled: spec.disabled,
});

/** One thing that is wrong with an issuer's keys, and whether it is more than worth knowing. */
export interface IssuerFinding {
  gravity: IssuerProblem['gravity'];
  finding: Finding;
}

const toFinding = ({ gravity, name, code, path, message, fix }: IssuerProblem): IssuerFinding => ({
  gravity,
  finding: {
    rule: code,
    severity: 'warning',
    resource: { kind: 'JwtIssuer', name },
    path,
    message,
    admits: [],
    fix,
  },
});

const notChecked = (name: string): IssuerFinding =>
  toFinding({
    gravity: 'unusable',
    name,
    code: 'issuer_unreachable',
    path: '/spec/iss',
    message: 'could not be checked: discovery did not answer in time',
    fix: 'See that discovery runs; GET /v1/issuers/status says how its keys are.',
  });

/**
 * What is wrong with the keys of these issuers now. An issuer may come up later, so that it cannot be reached is no
 * failure; with `required` it is the asker's to refuse, and discovery must answer.
 * @throws UnavailableError only with `required`: discovery did not answer
 */
export async function checkKeys(bus: Bus, issuers: JwtIssuerDocument[], required: boolean): Promise<IssuerFinding[]> {
  const enabled = issuers.filter(({ spec }) => !spec.disabled);
  if (enabled.length === 0) return [];
  try {
    const { problems } = await bus.request(checkIssuers, { issuers: enabled.map(registrationOf) });
    return problems.map(toFinding);
  } catch (error) {
    if (required) throw error;
    return enabled.map(({ name }) => notChecked(name));
  }
}
