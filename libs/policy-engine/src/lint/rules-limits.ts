import type { IssuerRule, RoleRule } from './lint-rule';
import { ciPlatforms } from './platform-profiles';
import { parseRange } from '../addresses';

const HOUR = 3_600;

/** Fewest bits of a network that says anything about who is in it. */
const fewestBits = { ipv4: 8, ipv6: 16 };

const anyAddress: RoleRule = {
  id: 'CS050',
  kind: 'Role',
  severity: 'warning',
  title: 'trustedIps that leave hardly any address out',
  example: 'trustedIps: [0.0.0.0/0]',
  fix: 'Name the networks of the runners, or leave trustedIps out.',
  lint: ({ spec }) =>
    spec.trustedIps.flatMap((text, index) => {
      const range = parseRange(text);
      if (!range || range[1] >= fewestBits[range[0].kind()]) return [];
      return [
        { path: `/spec/trustedIps/${index}`, message: 'takes in most of the internet', admits: [range[0].toString()] },
      ];
    }),
};

const idleExpiry: RoleRule = {
  id: 'CS051',
  kind: 'Role',
  severity: 'info',
  title: 'a maxTokenExpiry that shortens nothing',
  example: 'maxTokenExpiry: 12h, where the tokenExpiry of the issuer is 15m',
  fix: 'Make it shorter than tokenExpiry of the JwtIssuer, or leave it out.',
  lint: ({ spec, issuers }) => {
    const known = issuers.flatMap(({ document }) => document ?? []);
    const longest = Math.max(...known.map((issuer) => issuer.spec.tokenExpiry));
    if (spec.maxTokenExpiry === null || known.length === 0 || spec.maxTokenExpiry < longest) return [];
    return [{ path: '/spec/maxTokenExpiry', message: `tokens under its issuers end after ${longest} s anyway` }];
  },
};

const longTokens: IssuerRule = {
  id: 'CS052',
  kind: 'JwtIssuer',
  severity: 'warning',
  title: 'tokens that outlive the jobs they are for by far',
  example: 'platform: github, tokenExpiry: 12h',
  fix: 'Set tokenExpiry to what a job needs: 15m to 1h.',
  lint: ({ spec }) =>
    ciPlatforms.has(spec.platform) && spec.tokenExpiry > HOUR
      ? [
          {
            path: '/spec/tokenExpiry',
            message: `a token that leaks out of a job is good for ${spec.tokenExpiry / HOUR} h`,
          },
        ]
      : [],
};

const shadowRole: RoleRule = {
  id: 'CS053',
  kind: 'Role',
  severity: 'info',
  title: 'a shadow role: it is recorded and grants nothing',
  example: 'shadow: true',
  fix: 'See in the trail whom it would admit, then take shadow out, or delete the Role.',
  lint: ({ spec }) =>
    spec.shadow ? [{ path: '/spec/shadow', message: 'grants nothing until shadow is taken out' }] : [],
};

const reusable: IssuerRule = {
  id: 'CS054',
  kind: 'JwtIssuer',
  severity: 'info',
  title: 'subject tokens that may be exchanged more than once',
  example: 'singleUse: false',
  fix: 'Leave singleUse on unless two processes of a job must present the same token.',
  lint: ({ spec }) =>
    spec.singleUse
      ? []
      : [{ path: '/spec/singleUse', message: 'whoever sees a token in a log can exchange it, too, until it ends' }],
};

export const limitRules: readonly (RoleRule | IssuerRule)[] = [
  anyAddress,
  idleExpiry,
  longTokens,
  shadowRole,
  reusable,
];
