import type { ExplainedCheck, ExplainedRole } from './explanation';

/** The checks of a role that do not hold. */
export const failedChecks = ({ checks }: ExplainedRole): ExplainedCheck[] => checks.filter(({ matched }) => !matched);

/** How many things keep a role from granting: the checks that fail, and that it is a shadow role. */
export const obstacles = (role: ExplainedRole): number => failedChecks(role).length + (role.shadow ? 1 : 0);

/** Roles by what keeps them from granting: fewest first, then the closest values, the most checks, the name. */
export const nearestFirst = (roles: readonly ExplainedRole[]): ExplainedRole[] =>
  roles
    .map((role) => ({ role, obstacles: obstacles(role), distance: distanceOf(role) }))
    .sort(compare)
    .map(({ role }) => role);

interface Ranked {
  role: ExplainedRole;
  obstacles: number;
  distance: number;
}

const compare = (one: Ranked, other: Ranked): number =>
  one.obstacles - other.obstacles ||
  one.distance - other.distance ||
  other.role.checks.length - one.role.checks.length ||
  (one.role.name < other.role.name ? -1 : 1);

/** Somebody switched it off: further away than a value much like the one wanted, nearer than one quite unlike it. */
const SWITCHED_OFF = 0.5;

const distanceOf = (role: ExplainedRole): number =>
  failedChecks(role).reduce((sum, check) => sum + checkDistance(check), role.shadow ? SWITCHED_OFF : 0);

/** 0 for the same text, 1 for nothing in common or nothing there. */
function checkDistance({ key, actual, expected }: ExplainedCheck): number {
  if (key === 'disabled') return SWITCHED_OFF;
  // Whoever names other roles or policies does not mean this one.
  if (key === 'scope') return 2;
  const texts = (Array.isArray(actual) ? actual : [actual]).filter((item) => item !== null).map(String);
  return Math.min(1, ...texts.flatMap((text) => expected.map((other) => textDistance(text, other))));
}

/** What two texts do not share at their beginning and end, of the longer one. */
export function textDistance(one: string, other: string): number {
  const most = Math.min(one.length, other.length);
  let start = 0;
  while (start < most && one[start] === other[start]) start += 1;
  let end = 0;
  while (end < most - start && one.at(-1 - end) === other.at(-1 - end)) end += 1;
  return 1 - (start + end) / Math.max(one.length, other.length, 1);
}
