import { documentJsonSchema, jsonSchemaNames } from '@countersign/contracts';
import { ApiOperation, ApiTags, ProblemError, Public } from '@countersign/platform';
import { Controller, Get, Header, Param } from '@nestjs/common';

/** What editors check documents against; the same as docs/schemas. */
@ApiTags('documents')
@Public()
@Controller('schemas')
export class SchemasController {
  /** Anybody may ask: each is made once. */
  private readonly made = new Map<string, string>();

  @Get(':file')
  @ApiOperation({ summary: 'The JSON Schema of a kind of document: role.json, and document.json for all of them' })
  // Editors of other origins read it too: there is nothing in it that is not in the documentation.
  @Header('access-control-allow-origin', '*')
  @Header('cache-control', 'public, max-age=3600')
  @Header('content-type', 'application/schema+json; charset=utf-8')
  get(@Param('file') file: string): string {
    const [, name = ''] = /^(\w{1,20})\.json$/.exec(file) ?? [];
    return this.made.get(name.toLowerCase()) ?? this.make(name.toLowerCase());
  }

  private make(name: string): string {
    const schema = documentJsonSchema(name);
    if (schema === undefined) {
      const names = jsonSchemaNames.map((known) => `${known}.json`).join(', ');
      throw new ProblemError('not-found', `There is no such schema; there are ${names}.`);
    }
    const text = JSON.stringify(schema);
    this.made.set(name, text);
    return text;
  }
}
