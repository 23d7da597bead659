import { isIP } from 'node:net';
import ipaddr, { IPv4, IPv6 } from 'ipaddr.js';

type Address = IPv4 | IPv6;
type Range = readonly [Address, number];

export interface AddressRules {
  allowLoopback: boolean;
  /** CIDR notation; private ranges that may be reached nevertheless. */
  allowedPrivateCidrs: readonly string[];
}

/** True for an address that may be connected to; false also for what is no address in its usual spelling. */
export type AddressCheck = (address: string) => boolean;

const ranges = (cidrs: readonly string[]): Range[] => cidrs.map((cidr) => ipaddr.parseCIDR(cidr));

const loopback = ranges(['127.0.0.0/8', '::1/128']);

/** Where clouds hand out credentials. Never reachable, not even inside an allowed private range. */
const metadata = ranges([
  '169.254.169.254/32',
  '169.254.170.0/23',
  '168.63.129.16/32',
  '100.100.100.200/32',
  '192.0.0.192/32',
  'fd00:ec2::/32',
]);

/** IANA IPv4 Special-Purpose Address Registry: not globally reachable, plus relay and multicast ranges. */
const specialIpv4 = ranges([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]);

/**
 * Global unicast is all that IANA has handed out for the public (RFC 4291 section 2.4); everything outside, such
 * as mapped, translated (NAT64) and unique local addresses, is refused without being listed.
 */
const globalIpv6 = ranges(['2000::/3']);

/** Inside global unicast: protocol assignments with Teredo, 6to4, documentation. */
const specialIpv6 = ranges(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

/** Throws when an allowed range is no CIDR notation. */
export function addressCheck({ allowLoopback, allowedPrivateCidrs }: AddressRules): AddressCheck {
  const allowed = ranges(allowedPrivateCidrs);
  return (text) => {
    const address = parseAddress(text);
    if (address === null || isIn(address, metadata)) return false;
    return isPublic(address) || isIn(address, allowed) || (allowLoopback && isIn(address, loopback));
  };
}

export function isLoopback(text: string): boolean {
  const address = parseAddress(text);
  return address !== null && isIn(address, loopback);
}

/** Four decimal parts, or IPv6 without a zone; the odd spellings of inet_aton are no addresses here. */
function parseAddress(text: string): Address | null {
  // Most are names, for which the parsers below take long.
  if (isIP(text) === 0) return null;
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  return ipaddr.IPv6.isValid(text) && !text.includes('%') ? ipaddr.IPv6.parse(text) : null;
}

function isPublic(address: Address): boolean {
  if (address.kind() === 'ipv4') return !isIn(address, specialIpv4);
  return isIn(address, globalIpv6) && !isIn(address, specialIpv6);
}

function isIn(address: Address, list: readonly Range[]): boolean {
  return list.some(([network, bits]) => address.kind() === network.kind() && address.match(network, bits));
}
