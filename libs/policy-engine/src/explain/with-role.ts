import { compileRole, type CompiledRole } from '../compile-role';
import type { Snapshot } from '../compile-snapshot';
import type { RoleDocument } from '../documents';

/** The snapshot as it would be with another version of one role; null when that version is not valid. */
export function withRole(snapshot: Snapshot, document: RoleDocument): Snapshot | null {
  const role = compileVersion(snapshot, document);
  return role && { ...withCandidate(snapshot, role), roles: new Map(snapshot.roles).set(role.name, role) };
}

/** The same, for one decision on an exchange, which asks the index alone: to copy all roles takes longer than that. */
export function decidingWithRole(snapshot: Snapshot, document: RoleDocument): Snapshot | null {
  const role = compileVersion(snapshot, document);
  return role && withCandidate(snapshot, role);
}

function compileVersion({ publicUrl, pins }: Snapshot, { name, spec }: RoleDocument): CompiledRole | null {
  const compiled = compileRole(name, spec, publicUrl, pins);
  return compiled.ok && !spec.disabled ? compiled.role : null;
}

function withCandidate(snapshot: Snapshot, role: CompiledRole): Snapshot {
  const { rolesByIssuer: index } = snapshot;
  const rolesByIssuer: Snapshot['rolesByIssuer'] = {
    ...index,
    candidates: (pin, attributes) => [
      ...index.candidates(pin, attributes).filter((other) => other.name !== role.name),
      ...(role.issuers.includes(pin) ? [role] : []),
    ],
  };
  return { ...snapshot, rolesByIssuer };
}
