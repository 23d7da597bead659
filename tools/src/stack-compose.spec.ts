import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { validate } from 'dockerfile-utils';
import { parse } from 'yaml';

const root = resolve(__dirname, '../..');
const read = (path: string): string => readFileSync(resolve(root, path), 'utf8');

interface ComposeService {
  image: string;
  user: string;
  ports?: string[];
  networks?: string[];
  environment?: Record<string, string>;
  secrets?: string[];
  volumes?: string[];
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  privileged?: boolean;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  build?: { args: { SERVICE: string } };
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, ComposeService>;
  networks: Record<string, { internal?: boolean }>;
  secrets: Record<string, { file: string }>;
};
const services = Object.entries(compose.services);
const running = services.filter(([name]) => name !== 'volumes');
const ours = ['policy', 'discovery', 'exchange', 'audit'];

test.each(services)(
  '%s cannot write its image, gain a privilege, keep a capability or dump its memory',
  (name, service) => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    expect(service.privileged).toBeUndefined();
    if (name === 'volumes') return;
    expect(service.user).not.toMatch(/^(0|root)\b/);
    // AUD-09
    expect(service).toMatchObject({ ulimits: { core: 0 } });
  },
);

test.each(services)('%s runs a version that is named', (_, service) => {
  expect(service.image).toMatch(/:(\d+\.\d+\.\d+|17\.\d+|local)(-\w+)?$/);
});

test('nginx alone publishes a port, and nothing else shares a network with it that has a way out', () => {
  expect(services.filter(([, { ports }]) => ports !== undefined).map(([name]) => name)).toEqual(['nginx']);
  expect(services.filter(([, { networks }]) => networks?.includes('edge')).map(([name]) => name)).toEqual(['nginx']);
});

test.each([
  ['web', ['nginx', ...ours]],
  ['bus', [...ours, 'nats']],
  ['cache', ['discovery', 'exchange', 'redis']],
  ['data', ['policy', 'exchange', 'audit', 'postgres']],
])('in the internal network %s are exactly those who talk there', (network, members) => {
  expect(compose.networks[network]?.internal).toBe(true);
  const found = services.filter(([, { networks }]) => networks?.includes(network)).map(([name]) => name);
  expect(found.sort()).toEqual([...members].sort());
});

test('only those who fetch from outside have a way out', () => {
  const found = services.filter(([, { networks }]) => networks?.includes('outside')).map(([name]) => name);
  expect(found).toEqual(['discovery', 'audit']);
});

test('every secret comes from a file that make-secrets.sh makes, and no service holds another one’s', () => {
  const made = read('deploy/make-secrets.sh');
  for (const { file } of Object.values(compose.secrets)) {
    const name = file.replace('./deploy/secrets/', '').replace(/^(policy|exchange|audit|discovery|migrator)_/, '');
    expect(made).toContain(name.replace(/^postgres_\w+_password$/, 'postgres_'));
  }
  for (const [name, { secrets = [] }] of services) {
    const others = ours.filter((other) => other !== name && name !== 'postgres');
    expect(secrets.filter((secret) => others.some((other) => secret.startsWith(other)))).toEqual([]);
  }
});

test('no password stands in the file', () => {
  const values = services.flatMap(([, { environment = {} }]) => Object.entries(environment));
  const inline = values.filter(([name]) => /PASSWORD|TOKEN|KEY|DATABASE_URL|REDIS_URL|NATS_URL/.test(name));
  expect(inline.filter(([name, value]) => !name.endsWith('_FILE') || !value.startsWith('/run/secrets/'))).toEqual([]);
});

test.each(running)('%s waits for what it needs to be healthy', (_, { depends_on: needs = {} }) => {
  for (const [name, { condition }] of Object.entries(needs))
    expect(condition).toBe(name === 'volumes' ? 'service_completed_successfully' : 'service_healthy');
});

test.each(running.filter(([name]) => !ours.includes(name)))('%s has a health check', (_, { healthcheck }) => {
  expect(healthcheck?.test[0]).toMatch(/^CMD/);
});

test.each(ours)('%s is built from the one Dockerfile', (name) => {
  expect(compose.services[name]?.build?.args.SERVICE).toBe(name);
});

describe('the Dockerfile', () => {
  const text = read('Dockerfile');

  test('is valid', () => {
    expect(validate(text)).toEqual([]);
  });

  test('ends in an image without shell or npm, as a user without rights, with a check of its own', () => {
    const last = text.slice(text.lastIndexOf('\nFROM '));
    expect(last).toMatch(/^\nFROM scratch\n/);
    expect(last).toMatch(/^USER 65532:65532$/m);
    expect(last).toMatch(/^HEALTHCHECK .* CMD \["\/usr\/local\/bin\/node", /m);
    expect(last).not.toMatch(/^RUN /m);
  });

  test('starts node without the signal that would open a debugger (AUD-09)', () => {
    expect(text).toMatch(/^ENTRYPOINT \["\/usr\/local\/bin\/node", "--disable-sigusr1", /m);
  });

  test('names the version of its base', () => {
    expect(text).toMatch(/^ARG NODE_IMAGE=node:\d+\.\d+\.\d+-\w+-slim$/m);
    expect(text).not.toMatch(/:latest/);
  });

  test('sees no secret, no state and no git history', () => {
    const [first, ...allowed] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(first).toBe('*');
    expect(allowed.filter((line) => /secrets|\.git\b|\.countersign|\.env/.test(line))).toEqual([]);
  });
});
