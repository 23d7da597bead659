import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type AddressRange = readonly [Address, number];

/** Reads an address in its plain form; null for octal, hexadecimal or shortened IPv4, zones, ports, names. */
export function parseAddress(text: string): Address | null {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return null;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

/** Reads a CIDR block (RFC 4632) or a single address; null when it is neither. */
export function parseRange(text: string): AddressRange | null {
  const [base = '', bits, ...more] = text.split('/');
  const address = parseAddress(base);
  if (!address || more.length > 0) return null;
  const width = address.kind() === 'ipv4' ? 32 : 128;
  const prefix = bits === undefined ? width : parseBits(bits) - (isMapped(base, address) ? 96 : 0);
  return prefix >= 0 && prefix <= width ? [address, prefix] : null;
}

/** A range in CIDR form. */
export const formatRange = ([address, prefix]: AddressRange): string => `${address.toString()}/${prefix}`;

/** Whether a text stands for one address and no block of several. */
export function isExactRange(text: string): boolean {
  const range = parseRange(text);
  return range !== null && range[1] === (range[0].kind() === 'ipv4' ? 32 : 128);
}

/** Whether a text is an address or a CIDR block. */
export const isAddressRange = (text: string): boolean => parseRange(text) !== null;

/** NaN when it is not a plain decimal number. */
const parseBits = (text: string): number => (/^(0|[1-9]\d{0,2})$/.test(text) ? Number(text) : NaN);

const isMapped = (text: string, address: Address): boolean => text.includes(':') && address.kind() === 'ipv4';

/** Whether an address lies in one of the ranges; null when it is not an address. IPv4-mapped IPv6 counts as IPv4. */
export function isWithin(text: string, ranges: readonly AddressRange[]): boolean | null {
  const address = parseAddress(text);
  if (!address) return null;
  return ranges.some(([base, prefix]) => base.kind() === address.kind() && address.match(base, prefix));
}
