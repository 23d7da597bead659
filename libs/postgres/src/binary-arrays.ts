/** Numbers of types (pg_type.dat of PostgreSQL), which never change. */
const BYTEA = 17;
const JSONB = 3802;
/** The one form in which jsonb is received. */
const JSONB_FORM = Buffer.of(1);
/** Dimensions, flags, type, length, first index. */
const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;

/** The parameter of a `bytea[]`, as the server keeps it: in text, all would be written and read in hexadecimal digits. */
export const byteaArray = (values: readonly (Buffer | null)[]): Buffer =>
  arrayOf(
    BYTEA,
    values.map((value) => (value === null ? null : [value])),
  );

/** The parameter of a `jsonb[]`, from JSON texts: in text, each would be escaped, and read twice. */
export const jsonbArray = (texts: readonly string[]): Buffer =>
  arrayOf(
    JSONB,
    texts.map((text) => [JSONB_FORM, Buffer.from(text)]),
  );

/** One dimension in the binary form (array_recv in src/backend/utils/adt/arrayfuncs.c of PostgreSQL). */
function arrayOf(type: number, elements: readonly (Buffer[] | null)[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  [1, 1, type, elements.length, 1].forEach((value, index) => header.writeInt32BE(value, index * LENGTH_BYTES));
  return Buffer.concat([header, ...elements.flatMap((parts) => [lengthOf(parts), ...(parts ?? [])])]);
}

function lengthOf(parts: Buffer[] | null): Buffer {
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeInt32BE(parts === null ? NULL_LENGTH : parts.reduce((sum, part) => sum + part.length, 0));
  return length;
}
