/** A DER element (ITU-T X.690): its tag, and its bytes or what it holds. */
export interface Der {
  tag: number;
  value: Buffer | Der[];
}

export const derOf = ({ tag, value }: Der): Buffer => element(tag, contentOf({ tag, value }));

/** The element and everything in it, written in ways that a strict reader must refuse and a lax one has accepted. */
export function derVariants(root: Der): [name: string, bytes: Buffer][] {
  const good = derOf(root);
  return variants(root, 'it').filter(([, bytes]) => !bytes.equals(good));
}

const NULL = Buffer.from('0500', 'hex');

function variants(node: Der, path: string): [string, Buffer][] {
  const own = ownVariants(node).map(([name, bytes]): [string, Buffer] => [`${path}: ${name}`, bytes]);
  const { tag, value: children } = node;
  if (Buffer.isBuffer(children)) return own;
  const inside = children.flatMap((child, at) =>
    variants(child, `${path}.${at}`).map(([name, bytes]): [string, Buffer] => [
      name,
      element(tag, Buffer.concat(children.map((other, i) => (i === at ? bytes : derOf(other))))),
    ]),
  );
  return [...own, ...inside];
}

const ownVariants = (node: Der): [string, Buffer][] => [...lengthVariants(node), ...contentVariants(node)];

function lengthVariants(node: Der): [string, Buffer][] {
  const body = contentOf(node);
  const withLength = (hex: string): Buffer => Buffer.concat([Buffer.from([node.tag]), Buffer.from(hex, 'hex'), body]);
  const hex = body.length.toString(16).padStart(2, '0');
  return [
    ['length in the long form', withLength(`81${hex}`)],
    ['length with a leading zero', withLength(`8200${hex}`)],
    ['length one more', withLength((body.length + 1).toString(16).padStart(2, '0'))],
    [
      'length one less',
      withLength(
        Math.max(body.length - 1, 0)
          .toString(16)
          .padStart(2, '0'),
      ),
    ],
    ['length beyond 32 bits', withLength(`8501000000${hex}`)],
    ['length beyond 64 bits', withLength(`8901${'00'.repeat(7)}${hex}`)],
    ...['7fffffff', '80000000', 'ffffffff', 'ffffffffff', 'ff'.repeat(8)].map((length): [string, Buffer] => [
      `length ${length}`,
      withLength(`${(0x80 + length.length / 2).toString(16)}${length}`),
    ]),
    ['length cut', withLength('81').subarray(0, 2)],
    ['length left open', Buffer.concat([withLength('80'), Buffer.alloc(2)])],
    ['length left open for ever', withLength('80')],
    ['no length', withLength('')],
  ];
}

function contentVariants(node: Der): [string, Buffer][] {
  const { tag } = node;
  const [body, whole] = [contentOf(node), derOf(node)];
  return [
    ['tag alone', Buffer.from([tag])],
    ['nothing', Buffer.alloc(0)],
    ['NULL', NULL],
    ['empty', element(tag, Buffer.alloc(0))],
    ['zeros at its end', element(tag, Buffer.concat([body, Buffer.alloc(2)]))],
    ['zeros at its start', element(tag, Buffer.concat([Buffer.alloc(2), body]))],
    ['zeros behind', Buffer.concat([whole, Buffer.alloc(2)])],
    ['NULL at its end', element(tag, Buffer.concat([body, NULL]))],
    ['NULL behind', Buffer.concat([whole, NULL])],
    ['garbage at its start', element(tag, Buffer.concat([Buffer.from('498177', 'hex'), body]))],
    ['garbage at its end', element(tag, Buffer.concat([body, Buffer.from('498177', 'hex')]))],
    ['tags nobody knows before it', Buffer.concat([Buffer.from('aa00bb00cd00', 'hex'), whole])],
    ...[tag ^ 0x20, tag ^ 0x01, tag | 0x80, 0x1f, 0x00].map((other): [string, Buffer] => [
      `tag ${other}`,
      element(other, body),
    ]),
    ['wrapped', element(0x30, whole)],
    ['twice', Buffer.concat([whole, whole])],
    ['cut by a byte', element(tag, body.subarray(0, -1))],
    ['without its first byte', element(tag, body.subarray(1))],
    ['another first byte', element(tag, Buffer.from(body.map((byte, i) => (i === 0 ? byte ^ 1 : byte))))],
    ['another last byte', element(tag, Buffer.from(body.map((byte, i) => (i === body.length - 1 ? byte ^ 1 : byte))))],
  ];
}

function contentOf({ value }: Der): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.concat(value.map(derOf));
}

/** Contents here are shorter than 128 bytes: the short form of the length. */
function element(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag, content.length]), content]);
}
