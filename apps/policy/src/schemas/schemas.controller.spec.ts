import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonSchemaNames } from '@countersign/contracts';
import { PolicyServices, type PolicyService } from '../policy-service.fixture';

const services = new PolicyServices();
let service: PolicyService;

beforeAll(async () => {
  service = await services.start();
});

afterAll(() => services.stop());

const get = (file: string) => service.call(`/schemas/${file}`, { token: null });
const published = (name: string): unknown =>
  JSON.parse(readFileSync(join(__dirname, '../../../../docs/schemas', `${name}.schema.json`), 'utf8'));

describe('GET /schemas/{kind}.json', () => {
  it.each(jsonSchemaNames)('gives anybody the schema %s, as it stands in docs/schemas', async (name) => {
    const answer = await get(`${name}.json`);
    expect(answer).toMatchObject({ status: 200, body: published(name) });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'cache-control': 'public, max-age=3600',
      'content-type': 'application/schema+json; charset=utf-8',
      'access-control-allow-origin': '*',
      'x-content-type-options': 'nosniff',
    });
  });

  it('takes the kind as documents write it', async () => {
    expect((await get('JwtIssuer.json')).body).toEqual(published('jwtissuer'));
  });

  it.each(['secret.json', 'role', 'role.yaml', '..%2Frole.json', 'constructor.json', '%00.json'])(
    'knows no %s, and is not kept',
    async (file) => {
      const { status, headers } = await get(file);
      expect({ status, cache: headers.get('cache-control') }).toEqual({ status: 404, cache: 'no-store' });
    },
  );
});
