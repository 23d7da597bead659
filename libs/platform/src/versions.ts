/** Whether a version, as a server says it, comes before another; one that cannot be read does not. */
export function isOlderThan(version: string, floor: string): boolean {
  const [is, least] = [version, floor].map((text) => text.split('.').map((part) => Number.parseInt(part, 10)));
  const at = least?.findIndex((part, index) => part !== is?.[index]) ?? -1;
  return at >= 0 && Number(is?.[at]) < Number(least?.[at]);
}
