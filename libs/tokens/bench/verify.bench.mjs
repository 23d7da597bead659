/**
 * What the strict reading of a subject token costs beyond jose's own jwtVerify with the same imported key.
 *
 *   npx tsc -b libs/tokens && node libs/tokens/bench/verify.bench.mjs [--json] [rounds] [tokens per round]
 *
 * CPU time of the whole process, threads included, by rounds that alternate between both within one run: what
 * disturbs one disturbs the other. Minimum and median over the rounds; the budget is 0.2 ms of CPU per token.
 * It ends with 1 when the minimum is over the budget.
 */
import { readFileSync } from 'node:fs';
import { exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT } from 'jose';
import tokens from '../dist/index.js';

const { intakeKeys, parseSubjectToken, verifySubjectToken } = tokens;
const BUDGET_MS = 0.2;

const args = process.argv.slice(2).filter((arg) => arg !== '--json');
const isJson = process.argv.includes('--json');
const [rounds, perRound] = [Number(args[0] ?? 25), Number(args[1] ?? 200)];
const now = Math.floor(Date.now() / 1000);

const recorded = (name) =>
  JSON.parse(readFileSync(new URL(`../../testing/claims/${name}.json`, import.meta.url), 'utf8'));
const wide = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`claim_${i}`, `value ${i} of a wide token`]));

/** Claim sets by size: a usual one, one with nested objects, one near the limit of 16 KiB. */
const shapes = {
  github: recorded('github-push'),
  kubernetes: recorded('kubernetes'),
  'wide (200 claims)': { ...recorded('kubernetes'), ...wide },
};

async function prepare(alg, claims) {
  const iss = 'https://issuer.test';
  const pair = await generateKeyPair(alg, { extractable: true });
  const { keys } = intakeKeys({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg }] });
  const texts = await Promise.all(
    Array.from({ length: perRound }, (_, index) =>
      new SignJWT({ ...claims, iss, aud: 'https://sts.test', iat: now, nbf: now, exp: now + 300, jti: `jti-${index}` })
        .setProtectedHeader({ alg, kid: 'k1', typ: 'JWT' })
        .sign(pair.privateKey),
    ),
  );
  const rules = { clockSkew: 60, maxTokenAge: 86_400, singleUse: true, typ: ['JWT'], platform: 'generic' };
  const flags = { allowMissingKid: false, strictAudience: false };
  const issuer = { name: 'i', iss, aud: ['https://sts.test'], algorithms: [alg], ...rules, ...flags };
  const options = { issuer: iss, audience: 'https://sts.test', algorithms: [alg], clockTolerance: 60, typ: 'JWT' };
  const key = await importJWK(keys[0], alg);
  return {
    bytes: texts[0].length,
    texts,
    jose: (text) => jwtVerify(text, key, options),
    ours: async (text) => {
      const result = parseSubjectToken(text);
      const verified = result.ok ? await verifySubjectToken({ parsed: result.parsed, issuer, keys, now }) : result;
      if (!verified.ok) throw new Error(`refused: ${verified.reason}`);
    },
  };
}

/** Milliseconds of CPU per token in one round. */
async function cpuOf(work, texts) {
  const before = process.cpuUsage();
  for (const text of texts) await work(text);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / texts.length;
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const short = (value) => Number(value.toFixed(3));

async function measure(alg, shape, claims) {
  const { texts, bytes, jose, ours } = await prepare(alg, claims);
  const samples = { jose: [], ours: [] };
  // The first rounds compile what the others run.
  for (let round = -3; round < rounds; round++) {
    const [one, other] = [await cpuOf(jose, texts), await cpuOf(ours, texts)];
    if (round >= 0) [samples.jose, samples.ours].forEach((list, index) => list.push([one, other][index]));
  }
  const beyond = { min: Math.min(...samples.ours) - Math.min(...samples.jose) };
  beyond.median = median(samples.ours) - median(samples.jose);
  return {
    alg,
    shape,
    bytes,
    'jose min': short(Math.min(...samples.jose)),
    'jose median': short(median(samples.jose)),
    'ours min': short(Math.min(...samples.ours)),
    'ours median': short(median(samples.ours)),
    'beyond min': short(beyond.min),
    'beyond median': short(beyond.median),
    'ratio (min)': short(Math.min(...samples.ours) / Math.min(...samples.jose)),
  };
}

const results = [];
for (const alg of ['RS256', 'ES256', 'EdDSA']) {
  for (const [shape, claims] of Object.entries(shapes)) results.push(await measure(alg, shape, claims));
}
if (isJson) console.log(JSON.stringify({ unit: 'ms of CPU per token', budget: BUDGET_MS, rounds, perRound, results }));
else console.table(results);
process.exitCode = results.some((result) => result['beyond min'] > BUDGET_MS) ? 1 : 0;
