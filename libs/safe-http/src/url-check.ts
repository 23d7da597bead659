import { isIP } from 'node:net';
import { AddressCheck, isLoopback } from './addresses';
import { SafeHttpReason } from './safe-http-error';

export interface CheckedUrl {
  url: URL;
  /** Without the brackets of an IPv6 literal. */
  hostname: string;
}

export type UrlCheckResult = ({ ok: true } & CheckedUrl) | { ok: false; reason: SafeHttpReason };

/** Characters that URL readers drop or turn into others, so that two of them see two hosts. */
const ambiguous = /[\\\s\p{Cc}\p{Cf}]/u;
const maxLength = 2048;

/**
 * What can be said of a URL without asking DNS. Literal addresses are judged in the form that the URL Standard
 * gives them, so `0x7f.1`, `2130706433` or `①②⑦.1` are seen as the addresses they are.
 */
export function checkUrl(text: string, isAllowed: AddressCheck, allowLoopback: boolean): UrlCheckResult {
  if (text.length > maxLength || ambiguous.test(text) || !URL.canParse(text)) return { ok: false, reason: 'url' };
  const url = new URL(text);
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const reason = schemeRefusal(url) ?? hostRefusal(url, hostname, isAllowed, allowLoopback);
  return reason === null ? { ok: true, url, hostname } : { ok: false, reason };
}

function schemeRefusal(url: URL): SafeHttpReason | null {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'scheme';
  return url.username === '' && url.password === '' ? null : 'userinfo';
}

function hostRefusal(
  { protocol }: URL,
  hostname: string,
  isAllowed: AddressCheck,
  allowLoopback: boolean,
): SafeHttpReason | null {
  const isLocal = isLocalName(hostname) || isLoopback(hostname);
  if (protocol === 'http:' && !isLocal) return 'scheme';
  if (isLocalName(hostname) && !allowLoopback) return 'address';
  if (isIP(hostname) !== 0 && !isAllowed(hostname)) return 'address';
  return protocol === 'http:' && !allowLoopback ? 'scheme' : null;
}

/** RFC 6761 section 6.3: these names are loopback, whatever a resolver says. */
export function isLocalName(hostname: string): boolean {
  return /(?:^|\.)localhost\.?$/.test(hostname);
}
