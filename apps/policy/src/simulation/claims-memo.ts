import type { Claims } from '@countersign/policy-engine';

/** A question about one claim, or what is known once enough was asked. */
type Node<T> = { claim: string; answers: Map<string, Node<T>> } | { result: T };

interface Reads {
  /** Top-level names in the order in which they were first read. */
  claims: string[];
  /** All of the claims were looked at, so nothing less identifies the result. */
  all: boolean;
}

/** Results beyond this are not remembered: claims that differ in every token are read, and remembering is in vain. */
const MOST_RESULTS = 50_000;

/**
 * Remembers results of a function of claims by the claims that it reads, found out by watching it: two tokens that
 * agree in those have one result, however many others differ (`jti`, `run_id`, times). Exact for every function that
 * depends on the claims alone, and on nothing of them that it does not read.
 */
export class ClaimsMemo<T> {
  private readonly roots = new Map<string, Node<T>>();
  private remembered = 0;

  constructor(private readonly mostResults = MOST_RESULTS) {}

  /** `key` stands for all that the function depends on beside the claims. */
  resultOf(key: string, claims: Claims, compute: (claims: Claims) => T): T {
    let node = this.roots.get(key);
    while (node !== undefined && 'claim' in node) node = node.answers.get(identityOf(claims, node.claim));
    if (node !== undefined) return node.result;
    if (this.remembered >= this.mostResults) return compute(claims);
    const reads: Reads = { claims: [], all: false };
    const result = compute(watched(claims, reads));
    if (!reads.all) this.remember(key, claims, { reads: reads.claims, result });
    return result;
  }

  private remember(key: string, claims: Claims, { reads, result }: { reads: string[]; result: T }): void {
    const path = reads.map((claim) => [claim, identityOf(claims, claim)] as const);
    let node = path.reduceRight<Node<T>>(
      (next, [claim, identity]) => ({ claim, answers: new Map([[identity, next]]) }),
      { result },
    );
    let place = this.roots.get(key);
    if (place === undefined) this.roots.set(key, node);
    // What was read before the first other answer was read in the same order then: the function is deterministic.
    while (place !== undefined && 'claim' in place && 'claim' in node && place.claim === node.claim) {
      const [[identity, rest] = []] = node.answers;
      if (identity === undefined || rest === undefined) return;
      const known: Node<T> | undefined = place.answers.get(identity);
      if (known === undefined) place.answers.set(identity, rest);
      [place, node] = [known, rest];
    }
    this.remembered += 1;
  }
}

/** Tells every two values apart, and a missing one from all of them. */
function identityOf(claims: Claims, name: string): string {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  return typeof value === 'string' ? `"${value}` : (JSON.stringify(value) ?? '');
}

function watched(claims: Claims, reads: Reads): Claims {
  const seen = new Set<string>();
  const read = (name: string | symbol): void => {
    if (typeof name === 'symbol' || seen.has(name)) return;
    seen.add(name);
    reads.claims.push(name);
  };
  return new Proxy(claims, {
    get: (target, name): unknown => (read(name), Reflect.get(target, name)),
    has: (target, name) => (read(name), Reflect.has(target, name)),
    getOwnPropertyDescriptor: (target, name) => (read(name), Reflect.getOwnPropertyDescriptor(target, name)),
    ownKeys: (target) => ((reads.all = true), Reflect.ownKeys(target)),
  });
}
