import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { usageFailure } from './failure';
import type { Terminal } from './terminal';

export const DEFAULT_URL = 'http://127.0.0.1:8080';

/** Where countersign is, and with which token to speak to its admin endpoints. */
export interface Settings {
  /** Without trailing slash. */
  url: string;
  token: string | null;
}

/** COUNTERSIGN_URL and COUNTERSIGN_TOKEN; on loopback the admin token of the embedded mode stands in for the latter. */
export function readSettings({ env, cwd }: Pick<Terminal, 'env' | 'cwd'>): Settings {
  const url = checkedUrl(env['COUNTERSIGN_URL'] || DEFAULT_URL);
  const token = env['COUNTERSIGN_TOKEN']?.trim() || (isLoopback(url) ? embeddedAdminToken(env, cwd) : null);
  return { url: url.href.replace(/\/+$/, ''), token };
}

function checkedUrl(text: string): URL {
  if (!URL.canParse(text)) throw usageFailure(`COUNTERSIGN_URL is not a URL: ${text}`);
  const url = new URL(text);
  if (!['http:', 'https:'].includes(url.protocol)) throw usageFailure(`COUNTERSIGN_URL must be http or https: ${text}`);
  return url;
}

/** The token never leaves the machine unasked: only a loopback server gets it. */
export function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function embeddedAdminToken(env: Terminal['env'], cwd: string): string | null {
  try {
    return readFileSync(join(env['COUNTERSIGN_DATA_DIR'] || join(cwd, '.countersign'), 'admin-token'), 'utf8').trim();
  } catch {
    return null;
  }
}
