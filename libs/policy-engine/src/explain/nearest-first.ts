import type { ExplainedCheck, ExplainedRole } from './explanation';

/** The checks of a role that do not hold. */
export const failedChecks = ({ checks }: ExplainedRole): ExplainedCheck[] => checks.filter(({ matched }) => !matched);

/** How many things keep a role from granting: the checks that fail, and that it is a shadow role. */
export const obstacles = (role: ExplainedRole): number => failedChecks(role).length + (role.shadow ? 1 : 0);

interface Ranked {
  role: ExplainedRole;
  obstacles: number;
  /** Somebody switched it off: not what the operator is looking for while another role is as near. */
  isOff: boolean;
  distance: number;
}

/** Roles by what keeps them from granting: fewest first, then the closest values, the most checks, the name. */
export const nearestFirst = (roles: readonly ExplainedRole[]): ExplainedRole[] =>
  roles
    .map(rank)
    .sort(compare)
    .map(({ role }) => role);

function rank(role: ExplainedRole): Ranked {
  const failed = failedChecks(role);
  const distance = failed.reduce((sum, check) => sum + distanceOf(check), 0);
  const isOff = role.shadow || failed.some(({ key }) => key === 'disabled');
  return { role, obstacles: obstacles(role), isOff, distance };
}

const compare = (one: Ranked, other: Ranked): number =>
  one.obstacles - other.obstacles ||
  Number(one.isOff) - Number(other.isOff) ||
  one.distance - other.distance ||
  other.role.checks.length - one.role.checks.length ||
  (one.role.name < other.role.name ? -1 : 1);

/** 0 for the same text, 1 for nothing in common or nothing there. */
function distanceOf({ actual, expected }: ExplainedCheck): number {
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
