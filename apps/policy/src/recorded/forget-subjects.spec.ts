import { forgetSubject } from '@countersign/contracts';
import { Clock } from '@countersign/platform';
import { PolicyServices, silent, type PolicyService } from '../policy-service.fixture';
import { attempts, exchangeEvent, refusedEvent, unverifiedEvent } from './exchange-events.fixture';
import { ExchangeWriter } from './exchange-writer';

const EMILY = { issuer: 'corp', subject: 'emily' };
/** The same for as far as the index looks. */
const LONG = 'e'.repeat(600);

const services = new PolicyServices();
let service: PolicyService;

beforeAll(async () => {
  service = await services.start();
});
afterAll(() => services.stop());

const claimsOf = (sub: string) => ({ iss: 'https://corp.test', sub });
const claimed = (issuer: string | null, sub: string) =>
  unverifiedEvent({ issuer, unverified: { header: {}, claims: claimsOf(sub) } });
const forget = (subject: { issuer: string; subject: string }) => service.bus.request(forgetSubject, subject);
const recorded = async (): Promise<string[]> => {
  const sql = 'SELECT event_id AS id FROM policy.recorded_exchanges';
  return (await service.database.query<{ id: string }>(sql)).map(({ id }) => id).sort();
};

test('what the record has of a subject is deleted when the audit service asks, and nothing of anybody else', async () => {
  const hers = [
    exchangeEvent({ issuer: 'corp', claims: claimsOf('emily') }),
    refusedEvent({ issuer: 'corp', claims: claimsOf('emily') }),
    claimed('corp', 'emily'),
  ];
  const unknown = claimed(null, 'emily');
  const long = exchangeEvent({ issuer: 'corp', claims: claimsOf(LONG) });
  const others = [
    exchangeEvent({ issuer: 'corp', claims: claimsOf('emily2') }),
    exchangeEvent({ issuer: 'github', claims: claimsOf('emily') }),
    exchangeEvent({ issuer: 'corp', claims: claimsOf(`${LONG}!`) }),
    claimed('github', 'emily'),
  ];
  const all = attempts(...hers, unknown, long, ...others);
  await new ExchangeWriter(service.database, new Clock(), silent).store(all);
  expect(await forget(EMILY)).toEqual({ forgotten: hers.length });
  expect(await forget({ issuer: 'https://corp.test', subject: 'emily' })).toEqual({ forgotten: 1 });
  expect(await forget({ issuer: 'corp', subject: LONG })).toEqual({ forgotten: 1 });
  expect(await recorded()).toEqual(others.map(({ id }) => id).sort());
  expect(await forget(EMILY)).toEqual({ forgotten: 0 });
});
