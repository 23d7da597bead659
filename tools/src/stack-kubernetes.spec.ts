import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

const root = resolve(__dirname, '../..');
const folders = ['base', 'example'].map((name) => join(root, 'deploy/kubernetes', name));
const SERVICES = ['discovery', 'exchange', 'policy', 'audit'];
const WORKLOADS = [...SERVICES, 'nginx'];

interface Manifest {
  file: string;
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string> };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tsc checks the shape, below
  [key: string]: any;
}

const files = folders.flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml')
    .map((name) => join(folder, name)),
);
const manifests: Manifest[] = files.flatMap((file) =>
  parseAllDocuments(readFileSync(file, 'utf8')).map((document) => ({ ...(document.toJS() as Manifest), file })),
);
const find = (kind: string, name: string): Manifest => {
  const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found;
};
const workloads = manifests.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');
const named = workloads.map((manifest): [string, Manifest] => [manifest.metadata.name, manifest]);

/** Kubernetes' own types refuse unknown fields and wrong types; resolves with what tsc says. */
function typeErrors(checked: Manifest[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-manifests-'));
  try {
    const lines = checked.map(({ file: _, ...manifest }, index) => {
      const [group = '', version] = manifest.apiVersion.includes('/')
        ? manifest.apiVersion.split('/')
        : ['core', manifest.apiVersion];
      const module = join(root, 'node_modules/kubernetes-types', group.split('.')[0] ?? '', `${version}`);
      const text = JSON.stringify(manifest, null, 1);
      return `const _${index}: import(${JSON.stringify(module)}).${manifest.kind} = ${text};`;
    });
    writeFileSync(join(folder, 'manifests.ts'), lines.join('\n'));
    const tsc = join(root, 'node_modules/@typescript/native/bin/tsc');
    const compilerOptions = { noEmit: true, strict: true, skipLibCheck: true, types: [], module: 'preserve' };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['manifests.ts'] }));
    execFileSync(process.execPath, [tsc, '-p', folder], { stdio: 'pipe' });
    return '';
  } catch (error) {
    return String((error as { stdout?: Buffer }).stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('every manifest has the fields and types of Kubernetes, and no other', () => {
  expect(typeErrors(manifests)).toBe('');
  expect(typeErrors([{ ...find('Service', 'policy'), prots: [] }])).toContain('prots');
});

test('the namespace admits restricted pods only', () => {
  const labels = find('Namespace', 'countersign').metadata.labels;
  expect(labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' });
});

describe.each(named)('the pods of %s', (name, manifest) => {
  const pod = manifest.spec.template.spec;

  test('are restricted: no root, no privilege, nothing to write to, no token of the cluster', () => {
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    expect(pod.securityContext.runAsUser).toBeGreaterThan(0);
    expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
    expect(find('ServiceAccount', pod.serviceAccountName).automountServiceAccountToken).toBe(false);
    for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(container.resources).toMatchObject({
        requests: { cpu: expect.any(String) },
        limits: { memory: expect.any(String) },
      });
    }
    for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod).not.toHaveProperty(key);
    for (const volume of pod.volumes ?? []) expect(volume).not.toHaveProperty('hostPath');
  });

  test('run a named version and are probed', () => {
    for (const container of pod.containers) {
      expect(container.image).toMatch(/:\d+\.\d+(\.\d+)?(-\w+)?$/);
      expect(Object.keys(container)).toEqual(expect.arrayContaining(['readinessProbe', 'livenessProbe']));
    }
  });

  test('hold secrets as files only', () => {
    for (const { env = [], envFrom = [] } of pod.containers) {
      for (const variable of env) expect(variable.valueFrom?.secretKeyRef).toBeUndefined();
      for (const source of envFrom) expect(source.secretRef).toBeUndefined();
    }
    expect(manifests.filter(({ kind }) => kind === 'Secret')).toEqual([]);
  });

  test('select and are selected by their own labels', () => {
    const labels = manifest.spec.template.metadata.labels;
    expect(labels['app.kubernetes.io/name']).toBe(name);
    expect(manifest.spec.selector.matchLabels).toEqual({ 'app.kubernetes.io/name': name });
    expect(find('Service', name).spec.selector).toEqual({ 'app.kubernetes.io/name': name });
  });
});

describe.each(WORKLOADS)('%s', (name) => {
  const { spec } = find('Deployment', name);
  const pod = spec.template.spec;

  test('runs twice, apart, and is never without a replica', () => {
    expect(spec).toMatchObject({ replicas: 2, strategy: { rollingUpdate: { maxUnavailable: 0 } } });
    expect(find('PodDisruptionBudget', name).spec.maxUnavailable).toBe(1);
    expect(pod.topologySpreadConstraints[0].topologyKey).toBe('kubernetes.io/hostname');
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(25);
    expect(pod.containers[0].lifecycle.preStop).toBeDefined();
  });
});

test.each(SERVICES)('%s is configured by variables that exist, and mounts the secret of its name alone', (name) => {
  const pod = find('Deployment', name).spec.template.spec;
  const source = readFileSync(join(root, 'libs/platform/src/variables.ts'), 'utf8');
  const known = new Set([...source.matchAll(/\bname: '([A-Z_]+)'/g)].map(([, variable]) => variable));
  const set = [
    ...pod.containers[0].env.map((variable: { name: string }) => variable.name),
    ...Object.keys(find('ConfigMap', 'countersign').data as object),
  ].map((variable: string) => variable.replace(/^COUNTERSIGN_/, '').replace(/_FILE$/, ''));
  expect(set.filter((variable) => !known.has(variable))).toEqual([]);
  expect(pod.volumes.map((volume: { secret: { secretName: string } }) => volume.secret.secretName)).toEqual([
    `countersign-${name}`,
  ]);
});

describe('the network policies', () => {
  const NAME = 'app.kubernetes.io/name';
  type Peer = { podSelector?: { matchLabels?: Record<string, string> }; ipBlock?: { cidr: string } };
  type Rule = { from?: Peer[]; to?: Peer[]; ports?: { port: number }[] };
  const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy');

  /** `from -> to:port` between pods, as one side of the edge has it. */
  function edges(side: 'egress' | 'ingress'): string[] {
    return policies.flatMap(({ spec }) =>
      ((spec[side] ?? []) as Rule[]).flatMap((rule) =>
        [...(rule.from ?? []), ...(rule.to ?? [])].flatMap(({ podSelector }) => {
          const [self, other] = [spec.podSelector.matchLabels?.[NAME], podSelector?.matchLabels?.[NAME]];
          if (self === undefined || other === undefined) return [];
          const [from, to] = side === 'egress' ? [self, other] : [other, self];
          return (rule.ports ?? []).map(({ port }) => `${from} -> ${to}:${port}`);
        }),
      ),
    );
  }

  const expected = [
    ...SERVICES.map((name) => `nginx -> ${name}:8080`),
    ...SERVICES.map((name) => `${name} -> nats:4222`),
    ...['discovery', 'exchange'].map((name) => `${name} -> redis:6379`),
    ...['exchange', 'policy', 'audit'].map((name) => `${name} -> postgres:5432`),
  ].sort();

  test('deny everything that is not named', () => {
    expect(find('NetworkPolicy', 'default-deny').spec).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    });
  });

  test('let exactly those talk that have something to say, seen from both ends', () => {
    expect(edges('egress').sort()).toEqual(expected);
    expect(edges('ingress').sort()).toEqual(expected);
  });

  test('let discovery and audit out, to HTTPS outside of the cluster, and nobody else', () => {
    const out = policies.filter(({ spec }) => JSON.stringify(spec.egress ?? []).includes('0.0.0.0/0'));
    expect(out.map(({ metadata }) => metadata.name)).toEqual(['discovery', 'audit']);
    for (const { spec } of out) expect(JSON.stringify(spec.egress)).toContain('169.254.0.0/16');
  });
});

test.each(folders)('kustomize finds every file that %s names, and every file is named', (folder) => {
  const { resources } = parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')) as { resources: string[] };
  const named = resources.filter((name) => name.endsWith('.yaml')).sort();
  expect(named).toEqual(
    files
      .filter((file) => file.startsWith(`${folder}/`))
      .map((file) => basename(file))
      .sort(),
  );
});
