import { eventually, generous, type Stack } from '@countersign/testing';
import { admin, apply, startTestStack, type Answer } from '../support/client';
import { policy, role, type Spec } from '../support/documents';
import { trustedIssuer, tryToken, type Trusted } from './trusted';

/** How long every replica has to follow a change. */
const LIMIT_MS = generous(2_000);
const ROUNDS = process.env['COUNTERSIGN_SOAK'] === '1' ? 50 : 4;

const outcome = ({ status, body }: Answer): string => (status === 200 ? 'granted' : (body.error_description as string));

describe('a changed issuer document is in force on every replica within two seconds', () => {
  let stack: Stack;
  let issuer: Trusted;
  let exchanges: { url: string }[];

  /** Every replica says so, several times in a row: those behind it answer in turns. */
  const expectEverywhere = async (wanted: string): Promise<void> => {
    for (let ask = 0; ask < 5; ask += 1) {
      const answers = await Promise.all(exchanges.map((replica) => tryToken(replica, issuer)));
      expect(answers.map(outcome)).toEqual(exchanges.map(() => wanted));
    }
  };
  const everywhere = (wanted: string): Promise<void> => eventually(() => expectEverywhere(wanted), LIMIT_MS);

  const change = (spec: Spec) =>
    apply(stack, [{ ...issuer.document, spec: { ...(issuer.document as { spec: Spec }).spec, ...spec } }]);

  beforeAll(async () => {
    [stack, issuer] = await Promise.all([
      startTestStack({ replicas: { exchange: 2, discovery: 2, policy: 2 } }),
      trustedIssuer('changing'),
    ]);
    exchanges = stack.replicasOf('exchange');
    await apply(stack, [policy('deploy', ['Function:Deploy'], ['staging:*']), ...issuer.documents]);
    await everywhere('granted');
  });

  afterAll(async () => {
    await stack?.stop();
    await issuer?.issuer.stop();
  });

  it(
    'disabled, and enabled again, round after round',
    async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        await change({ disabled: true });
        await everywhere('untrusted issuer');
        await change({});
        await everywhere('granted');
      }
    },
    120_000 + ROUNDS * 10_000,
  );

  it.each<[string, Spec, string]>([
    ['aud', { aud: ['https://elsewhere.test'] }, 'audience not accepted'],
    ['algorithms', { algorithms: ['RS256'] }, 'token not valid'],
    ['typ', { typ: ['at+jwt'] }, 'token not valid'],
  ])('%s', async (_, spec, refusal) => {
    await change(spec);
    await everywhere(refusal);
    await change({});
    await everywhere('granted');
  });

  it('a Role that opts in to an event', async () => {
    const grants = { policy: ['deploy'], condition: { StringEqual: { 'jwt:iss': [issuer.issuer.iss] } } };
    await apply(stack, [role('changing', { ...grants, disabled: true })]);
    await everywhere('not authorized');
    await apply(stack, [role('changing', grants)]);
    await everywhere('granted');
  });

  it('other keys: what was signed with the old ones is refused at once', async () => {
    const { issuer: local } = issuer;
    const [old] = local.keys;
    await local.rotate({ dropOld: true });
    await change({ jwks: local.jwks() });
    await everywhere('granted');
    const refused = exchanges.map((replica) => tryToken(replica, issuer, { sign: { kid: old?.kid ?? '' } }));
    expect((await Promise.all(refused)).map(outcome)).toEqual(exchanges.map(() => 'token not valid'));
    await change({});
    // Keys that were fetched before are kept; a kid that is new since waits for the cooldown, or for a refresh, which
    // the replica that answers does of the document that it knows: perhaps still the one before.
    await eventually(async () => {
      expect((await admin(stack, 'POST', '/v1/issuers/changing/refresh')).status).toBe(200);
      await expectEverywhere('granted');
    });
  });

  it('deleted', async () => {
    expect((await admin(stack, 'DELETE', '/v1/resources/JwtIssuer/changing')).status).toBe(204);
    await everywhere('untrusted issuer');
  });
});
