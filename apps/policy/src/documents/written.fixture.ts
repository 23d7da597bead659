/** A document as somebody sends it. */
export const written = <Spec extends object>(kind: string, name: string, spec: Spec, annotations?: object) => ({
  apiVersion: 'countersign.dev/v1',
  kind,
  metadata: { name, ...(annotations && { annotations }) },
  spec,
});

/** A Policy that allows one action. */
export const writtenPolicy = (name: string, action = 'Function:Read', annotations?: object): object =>
  written('Policy', name, { statement: [{ effect: 'Allow', action: [action], resource: ['dev:*'] }] }, annotations);
