/**
 * What a decision costs as the roles grow, and what compiling all documents costs.
 *
 *   npx tsc -b libs/policy-engine && node --expose-gc libs/policy-engine/bench/decide.bench.mjs [--json] [rounds]
 *
 * CPU time by rounds that go through all sizes within one run: what disturbs one disturbs the others. The minimum over
 * the rounds counts. Budgets: a decision among 100,000 roles costs at most 3 times one among 10, also where the roles
 * name repositories (`github:OWNER/REPO`) and each decision is of another one, and 100,000 documents compile in under
 * 5 s. It ends with 1 when one of them is not kept.
 */
import fixture from '../dist/documents.fixture.js';
import engine from '../dist/index.js';

const { compileSnapshot, decideExchange, evaluatePermission } = engine;
const { GITHUB: iss, githubIssuer: issuer, roleSpec } = fixture;
const BUDGET = { ratio: 3, compileSeconds: 5 };
const SIZES = [10, 1_000, 100_000];
const PER_ROUND = 20_000;

const isJson = process.argv.includes('--json');
const [rounds = 15] = process.argv
  .slice(2)
  .filter((arg) => arg !== '--json')
  .map(Number);

const publicUrl = 'https://sts.example.com';

/** Roles of one issuer, as organisations write them: by ids, by subject, by pattern, by group. */
const conditions = [
  (n) => ({
    StringEqual: { 'jwt:repository_owner_id': ['1'], 'jwt:repository_id': [`${n}`], 'jwt:ref': ['refs/heads/main'] },
  }),
  (n) => ({
    StringEqual: { 'jwt:sub': [`repo:acme/svc-${n}:ref:refs/heads/main`, `repo:acme/svc-${n}:environment:prod`] },
  }),
  (n) => ({ StringEqual: { 'jwt:repository_owner_id': ['1'] }, StringLike: { 'jwt:sub': [`repo:acme/svc-${n}:*`] } }),
  (n) => ({
    StringEqual: { 'jwt:repository_owner_id': ['1'] },
    'ForAnyValue:StringEqual': { 'jwt:teams': [`team-${n}`] },
  }),
];

const policyOf = (n) => ({
  kind: 'Policy',
  name: `p${n}`,
  spec: {
    statement: [
      { sid: 'allow', effect: 'Allow', action: ['Function:*'], resource: [`team-${n}:*`], condition: null },
      { sid: 'deny', effect: 'Deny', action: ['Function:Delete'], resource: ['*:prod-*'], condition: null },
    ],
  },
});

function roleOf(n) {
  const { StringEqual, ...rest } = conditions[n % conditions.length](n);
  const condition = { ...rest, StringEqual: { 'jwt:iss': [iss], ...StringEqual } };
  return { kind: 'Role', name: `r${n}`, spec: roleSpec({ policy: [`p${n % 100}`], condition }) };
}

const named = (n) => ({ iss, path: `acme/svc-${n}`, repositoryId: `${n}`, ownerId: '1' });
const pinsOf = (roles) => new Map(Array.from({ length: roles }, (_, n) => [`${iss} ${named(n).path}`, named(n)]));

function shorthandRoleOf(n) {
  const repository = { platform: 'github', path: named(n).path, repositoryId: null, ownerId: null };
  const repositories = [{ ...repository, ref: 'refs/heads/main', environment: null }];
  const condition = { StringEqual: { 'jwt:iss': [iss] } };
  return { kind: 'Role', name: `r${n}`, spec: roleSpec({ policy: [`p${n % 100}`], repositories, condition }) };
}

const documentsOf = (roles, make) => [
  issuer,
  ...Array.from({ length: 100 }, (_, n) => policyOf(n)),
  ...Array.from({ length: roles }, (_, n) => make(n)),
];

/** Tokens that one role each lets in, by every kind of condition, and one that none does. */
const requestsOf = (roles) =>
  [0, 1, 2, 3, 5].map((offset) => {
    const n = offset === 5 ? -1 : Math.floor(roles / 8) * 4 + offset;
    return requestOf(n, { sub: `repo:acme/svc-${n}:ref:refs/heads/main`, teams: ['everybody', `team-${n}`] });
  });

const requestOf = (n, claims) => ({
  issuer: 'github',
  claims: {
    iss,
    repository: `acme/svc-${n}`,
    repository_owner: 'acme',
    repository_owner_id: '1',
    repository_id: `${n}`,
    ref: 'refs/heads/main',
    event_name: 'push',
    ...claims,
  },
  audiences: [],
  roles: null,
  policies: null,
  sourceIp: '192.0.2.1',
  now: 0,
});

/** Each of another repository, as far as there are enough: what a first look costs is in it. */
const repositoryRequestsOf = (roles) =>
  Array.from({ length: Math.min(roles, PER_ROUND) }, (_, index) => {
    const n = (index * 7_919) % roles;
    return requestOf(n, { sub: `repo:acme@1/svc-${n}@${n}:ref:refs/heads/main` });
  });

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

function measure(work) {
  const since = cpu();
  work();
  return cpu() - since;
}

const heap = () => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1e6;
};

function build(roles, { make, requests, pins }) {
  const documents = documentsOf(roles, make);
  const before = heap();
  let snapshot;
  const compileSeconds =
    measure(() => (snapshot = compileSnapshot({ documents, publicUrl, revision: 1, pins: pins(roles) }))) / 1_000;
  const megabytes = heap() - before;
  if (snapshot.errors.length > 0) throw new Error(JSON.stringify(snapshot.errors[0]));
  return { roles, snapshot, documents: documents.length, compileSeconds, megabytes, requests: requests(roles) };
}

const decideAll = ({ snapshot, requests }) => {
  for (let n = 0; n < PER_ROUND; n += 1) decideExchange(snapshot, requests[n % requests.length]);
};

const permit = { subject: { type: 'access_token', id: 'x', properties: {} }, resourceProperties: {}, context: {} };
const evaluateAll = ({ snapshot, requests }) => {
  const [{ claims }] = requests;
  const request = {
    ...permit,
    policies: ['p7'],
    claims,
    action: { name: 'Function:Create', properties: {} },
    resource: 'team-7:x',
    sourceIp: null,
    now: 0,
  };
  for (let n = 0; n < PER_ROUND; n += 1) evaluatePermission(snapshot, request);
};

const examined = ({ snapshot, requests }) =>
  Math.max(...requests.map((r) => decideExchange(snapshot, r).rolesExamined));

const mixed = { make: roleOf, requests: requestsOf, pins: () => new Map() };
const repositories = { make: shorthandRoleOf, requests: repositoryRequestsOf, pins: pinsOf };

const worlds = SIZES.map((size) => build(size, mixed));
const namedWorlds = SIZES.map((size) => build(size, repositories));
const decide = worlds.map(() => Infinity);
const evaluate = worlds.map(() => Infinity);
const decideNamed = worlds.map(() => Infinity);
for (let round = 0; round < rounds; round += 1) {
  worlds.forEach((world, index) => {
    decide[index] = Math.min(
      decide[index],
      measure(() => decideAll(world)),
    );
    evaluate[index] = Math.min(
      evaluate[index],
      measure(() => evaluateAll(world)),
    );
    decideNamed[index] = Math.min(
      decideNamed[index],
      measure(() => decideAll(namedWorlds[index])),
    );
  });
}

const rows = worlds.map((world, index) => ({
  roles: world.roles,
  decisionMicroseconds: (decide[index] / PER_ROUND) * 1_000,
  ratio: decide[index] / decide[0],
  repositoryMicroseconds: (decideNamed[index] / PER_ROUND) * 1_000,
  repositoryRatio: decideNamed[index] / decideNamed[0],
  permissionMicroseconds: (evaluate[index] / PER_ROUND) * 1_000,
  rolesExamined: Math.max(examined(world), examined(namedWorlds[index])),
  documents: world.documents,
  compileSeconds: world.compileSeconds,
  megabytes: globalThis.gc ? world.megabytes : null,
}));

if (isJson) console.log(JSON.stringify({ budget: BUDGET, rows }));
else {
  const number = (value, digits) => (value === null ? '-' : Number(value.toFixed(digits)));
  console.table(
    rows.map((row) => ({
      roles: row.roles,
      'decision, µs': number(row.decisionMicroseconds, 2),
      ratio: number(row.ratio, 2),
      'roles examined': row.rolesExamined,
      'by repository, µs': number(row.repositoryMicroseconds, 2),
      'its ratio': number(row.repositoryRatio, 2),
      'permission, µs': number(row.permissionMicroseconds, 2),
      'compile, s': number(row.compileSeconds, 3),
      'memory, MB': number(row.megabytes, 1),
    })),
  );
}
const last = rows.at(-1);
const isFlat = Math.max(last.ratio, last.repositoryRatio) <= BUDGET.ratio;
process.exit(isFlat && last.compileSeconds < BUDGET.compileSeconds ? 0 : 1);
