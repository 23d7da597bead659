import { compileRole } from '../compile-role';
import type { Snapshot } from '../compile-snapshot';
import type { RoleDocument } from '../documents';

/** The snapshot as it would be with another version of one role; null when that version is not valid. */
export function withRole(snapshot: Snapshot, { name, spec }: RoleDocument): Snapshot | null {
  const compiled = compileRole(name, spec, snapshot.publicUrl, snapshot.pins);
  if (!compiled.ok) return null;
  const { role } = compiled;
  const { rolesByIssuer: index } = snapshot;
  return {
    ...snapshot,
    roles: new Map(snapshot.roles).set(name, role),
    rolesByIssuer: {
      ...index,
      candidates: (pin, attributes) => [
        ...index.candidates(pin, attributes).filter((other) => other.name !== name),
        ...(role.issuers.includes(pin) ? [role] : []),
      ],
    },
  };
}
