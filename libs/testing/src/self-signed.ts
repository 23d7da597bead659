import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

/** PEM texts. */
export interface Certificate {
  cert: string;
  key: string;
}

const tlv = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const size = Buffer.from(content.length.toString(16).padStart(content.length > 0xff ? 4 : 2, '0'), 'hex');
  const length = content.length < 0x80 ? size : Buffer.concat([Buffer.from([0x80 | size.length]), size]);
  return Buffer.concat([Buffer.from([tag]), length, content]);
};

const sequence = (...parts: Uint8Array[]): Buffer => tlv(0x30, ...parts);
const objectId = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'));
const time = (date: Date): Buffer => tlv(0x18, Buffer.from(date.toISOString().replace(/[-:T]|\.\d+/g, '')));
const commonName = (name: string): Buffer =>
  sequence(tlv(0x31, sequence(objectId('550403'), tlv(0x0c, Buffer.from(name)))));

const ecdsaWithSha256 = sequence(objectId('2a8648ce3d040302'));
const subjectAltName = '551d11';
const day = 86_400_000;

/** A self-signed certificate (RFC 5280 section 4.1) for these DNS names and 127.0.0.1, which is its own authority. */
export function selfSigned(names: string[], validFrom = -day, validTo = day): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Date.now();
  const alternatives = [...names.map((name) => tlv(0x82, Buffer.from(name))), tlv(0x87, Buffer.from([127, 0, 0, 1]))];
  const extensions = sequence(sequence(objectId(subjectAltName), tlv(0x04, sequence(...alternatives))));
  const name = commonName(names[0] ?? 'test');
  const toBeSigned = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    name,
    sequence(time(new Date(now + validFrom)), time(new Date(now + validTo))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, extensions),
  );
  return {
    cert: pem(signed(toBeSigned, privateKey)),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function signed(toBeSigned: Buffer, key: KeyObject): Buffer {
  const signature = sign('sha256', toBeSigned, key);
  return sequence(toBeSigned, ecdsaWithSha256, tlv(0x03, Buffer.from([0]), signature));
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
