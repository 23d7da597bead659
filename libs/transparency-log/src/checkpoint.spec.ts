import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { formatVerifierKey, openCheckpoint, parseVerifierKey, signCheckpoint } from './checkpoint';
import { leafHash } from './tree-hash';

const NAME = 'sts.example.com';
const head = { origin: NAME, size: 20852163, root: leafHash('the root') };
const signer = { name: NAME, privateKey: generateKeyPairSync('ed25519').privateKey };
const verifier = { name: NAME, publicKey: createPublicKey(signer.privateKey) };
const note = signCheckpoint(head, signer);

describe('a checkpoint', () => {
  it('has the form of C2SP tlog-checkpoint: three lines, an empty one, a signature of the lines', () => {
    const [origin, size, root, empty, line = '', end] = note.split('\n');
    expect([origin, size, root, empty, end]).toEqual([NAME, '20852163', head.root.toString('base64'), '', '']);
    const [dash, name, blob = ''] = line.split(' ');
    expect([dash, name]).toEqual(['\u2014', NAME]);
    const raw = Buffer.from(verifier.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
    const id = createHash('sha256').update(`${NAME}\n`).update(Buffer.of(1)).update(raw).digest().subarray(0, 4);
    const bytes = Buffer.from(blob, 'base64');
    expect(bytes.subarray(0, 4)).toEqual(id);
    const text = Buffer.from(`${origin}\n${size}\n${root}\n`);
    expect(verify(null, text, verifier.publicKey, bytes.subarray(4))).toBe(true);
  });

  it('is opened with the key of the log, other signatures and extension lines beside it', () => {
    expect(openCheckpoint(note, verifier)).toEqual({ ok: true, head });
    const witness = `${note}\u2014 witness.example AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n`;
    expect(openCheckpoint(witness, verifier)).toEqual({ ok: true, head });
  });

  const other = generateKeyPairSync('ed25519');
  const otherLog = signCheckpoint({ ...head, origin: 'other.example' }, signer);
  it.each([
    ['an edited size', note.replace('20852163', '20852164'), 'bad_signature'],
    ['an edited root', note.replace(head.root.toString('base64'), leafHash('x').toString('base64')), 'bad_signature'],
    ['the key of somebody else', signCheckpoint(head, { name: NAME, privateKey: other.privateKey }), 'unknown_key'],
    ['another log signed by the same key', otherLog, 'other_log'],
    ['a size with a leading zero', note.replace('20852163', '020852163'), 'malformed'],
    ['a size beyond what can be counted', note.replace('20852163', '9007199254740993'), 'malformed'],
    ['a root that is too short', note.replace(head.root.toString('base64'), 'AAAA'), 'malformed'],
    ['no signature', note.slice(0, note.indexOf('\u2014')), 'malformed'],
    ['no end of line', note.slice(0, -1), 'malformed'],
    ['more signatures than any log has', note + `${note.split('\n')[4]}\n`.repeat(20), 'malformed'],
    ['nothing', '', 'malformed'],
  ])('is refused with %s', (_, text, reason) => {
    expect(openCheckpoint(text, verifier)).toEqual({ ok: false, reason });
  });
});

describe('the key of a log in one line', () => {
  it('is read as it was written', () => {
    const line = formatVerifierKey(verifier);
    expect(line).toMatch(/^sts\.example\.com\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}$/);
    const read = parseVerifierKey(line);
    expect(read && openCheckpoint(note, read)).toEqual({ ok: true, head });
  });

  it('is that of the specification for its example key', () => {
    const line = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
    expect(formatVerifierKey(parseVerifierKey(line) ?? verifier)).toBe(line);
  });

  it.each(['', 'a+b', `${NAME}+00000000+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW`, 'PeterNeumann+c74f20a3+AA=='])(
    'is refused when it is %s',
    (line) => {
      expect(parseVerifierKey(line)).toBeNull();
    },
  );
});
