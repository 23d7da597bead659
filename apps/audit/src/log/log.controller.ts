import {
  ApiBearerAuth,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiTags,
  ProblemError,
  RequireAction,
} from '@countersign/platform';
import { parseTilePath } from '@countersign/transparency-log';
import { Controller, Get, Header, Param, Query } from '@nestjs/common';
import { z } from 'zod';
import { CheckpointWriter } from './checkpoint-writer';
import { LogReader, type ConsistencyProof, type InclusionProof } from './log-reader';

const TEXT = 'text/plain; charset=utf-8';
const base64 = z.string();
const inclusionProofSchema = z
  .object({
    eventId: z.string(),
    index: z.int(),
    leafHash: base64,
    commitments: z.object({ salt: base64, members: z.array(z.string()) }).nullable(),
    size: z.int(),
    root: base64,
    proof: z.array(base64),
    checkpoint: z.string(),
  })
  .meta({ id: 'InclusionProof' });
const consistencyProofSchema = z
  .object({ first: z.int(), second: z.int(), proof: z.array(base64), checkpoint: z.string() })
  .meta({ id: 'ConsistencyProof' });

const consistencyQuery = z.strictObject({
  first: z
    .string()
    .regex(/^(0|[1-9]\d{0,14})$/, { message: 'must be the number of entries of an earlier checkpoint' })
    .transform(Number),
});

/** The Merkle tree over the trail (RFC 6962): signed heads, proofs, tiles. */
@ApiTags('audit')
@ApiBearerAuth()
@RequireAction('Audit:Read')
@Controller('v1')
export class LogController {
  constructor(
    private readonly reader: LogReader,
    private readonly writer: CheckpointWriter,
  ) {}

  @Get('checkpoint')
  @Header('content-type', TEXT)
  @ApiProduces('text/plain')
  @ApiOperation({ summary: 'The newest signed head of the log (C2SP tlog-checkpoint)' })
  async checkpoint(): Promise<string> {
    return found(await this.reader.checkpoint(), 'The trail is empty.').note;
  }

  @Get('checkpoint/key')
  @Header('content-type', TEXT)
  @ApiProduces('text/plain')
  @ApiOperation({ summary: 'The key that checkpoints are verified with (C2SP signed-note); keep it elsewhere' })
  key(): string {
    return `${this.writer.verifierKey()}\n`;
  }

  @Get('checkpoint/consistency')
  @ApiOperation({ summary: 'Proof that the log of an earlier checkpoint is the beginning of the newest one' })
  @ApiOkResponse({ description: 'The proof', standardSchema: consistencyProofSchema })
  async consistency(
    @Query({ schema: consistencyQuery }) { first }: z.infer<typeof consistencyQuery>,
  ): Promise<ConsistencyProof> {
    return found(await this.reader.consistency(first), 'The log does not have that many entries.');
  }

  @Get('events/:id/proof')
  @ApiOperation({ summary: 'Proof that an event is in the log' })
  @ApiOkResponse({ description: 'The proof', standardSchema: inclusionProofSchema })
  async proof(@Param('id') id: string): Promise<InclusionProof> {
    return found(id.length > 64 ? null : await this.reader.inclusion(id), 'There is no such event.');
  }

  @Get('tile/*')
  @Header('content-type', 'application/octet-stream')
  @ApiProduces('application/octet-stream')
  @ApiOperation({ summary: 'Hashes of the tree, or entries, in runs of up to 256 (C2SP tlog-tiles)' })
  async tile(@Param('*') path: string): Promise<Buffer> {
    const tile = parseTilePath(`tile/${path}`);
    return found(tile && (await this.reader.tile(tile)), 'There is no such tile.');
  }
}

function found<T>(value: T | null, missing: string): T {
  if (value === null) throw new ProblemError('not-found', missing);
  return value;
}
