import { z } from 'zod';
import { documentSchemas } from './documents';
import { listForm } from './documents-json-forms';
import { policyTestSchema } from './documents-policy-test';

type JsonSchema = z.core.JSONSchema.BaseSchema;

const kinds = { ...documentSchemas, PolicyTest: policyTestSchema };
const any = z.discriminatedUnion('kind', [kinds.JwtIssuer, kinds.Role, kinds.Policy, kinds.PolicyTest]);

/** By the name of their files; `document` is for files that hold several kinds. */
const named: Readonly<Record<string, z.ZodType>> = {
  ...Object.fromEntries(Object.entries(kinds).map(([kind, schema]) => [kind.toLowerCase(), schema])),
  document: any,
};

/** `jwtissuer`, `role` and so on. */
export const jsonSchemaNames: readonly string[] = Object.keys(named);

/**
 * The JSON Schema (draft-07, which editors know) of documents as they may be written; undefined for another name. Every
 * rule that a schema can express is in it; the server checks the rest.
 */
export function documentJsonSchema(name: string): JsonSchema | undefined {
  const schema = Object.hasOwn(named, name) ? named[name] : undefined;
  return schema && { title: `countersign ${name}`, ...toJsonSchema(schema) };
}

const toJsonSchema = (schema: z.ZodType): JsonSchema =>
  z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (isList(zodSchema) && jsonSchema.type === 'array') replace(jsonSchema, listForm(jsonSchema));
    },
  });

/** What `listOf` made: a step that turns one value into a list, then the list. */
const isList = ({ _zod: { def } }: z.core.$ZodType): boolean =>
  def.type === 'pipe' && (def as z.core.$ZodPipeDef).in._zod.def.type === 'transform';

/** In place: what is inside is filled in later where a schema is used twice. */
function replace(target: JsonSchema, source: JsonSchema): void {
  for (const member of Object.keys(target)) delete target[member];
  Object.assign(target, source);
}
