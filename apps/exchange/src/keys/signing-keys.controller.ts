import type { Page, SigningKeyAnswer, SigningKeyRotationAnswer } from '@countersign/contracts';
import {
  ApiBearerAuth,
  ApiOkResponse,
  ApiOperation,
  ApiQuery,
  ApiTags,
  Caller,
  RequireAction,
} from '@countersign/platform';
import { Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { RotateOnDemand } from './rotate-on-demand';
import { rotationAnswerSchema, signingKeyPageSchema } from './signing-key-schema';
import { SigningKeyList, signingKeyQuerySchema, type SigningKeyQuery } from './signing-key-list';

const rotateQuerySchema = z.strictObject({
  emergency: z.enum(['true', 'false'], { message: 'must be true or false' }).optional().default('false'),
});

type RotateQuery = z.infer<typeof rotateQuerySchema>;

/** The keys that sign our tokens. */
@ApiTags('signing keys')
@ApiBearerAuth()
@Controller('v1/signing-keys')
export class SigningKeysController {
  constructor(
    private readonly list: SigningKeyList,
    private readonly onDemand: RotateOnDemand,
  ) {}

  @Get()
  @RequireAction('Iam:Read')
  @ApiOperation({ summary: 'Our signing keys with their states and times, the newest first' })
  @ApiQuery({ name: 'cursor', required: false })
  @ApiQuery({ name: 'limit', required: false, description: '1 to 500, 50 when not given' })
  @ApiOkResponse({ description: 'A page of keys', standardSchema: signingKeyPageSchema })
  keys(@Query({ schema: signingKeyQuerySchema }) query: SigningKeyQuery): Promise<Page<SigningKeyAnswer>> {
    return this.list.page(query);
  }

  @Post('rotate')
  @HttpCode(200)
  @RequireAction('Iam:Write')
  @ApiOperation({
    summary: 'Let the next key take over as soon as every verifier can know it; in an emergency a new one at once',
  })
  @ApiQuery({ name: 'emergency', required: false, enum: ['true', 'false'] })
  @ApiOkResponse({ description: 'Which key takes over, and when', standardSchema: rotationAnswerSchema })
  rotate(
    @Query({ schema: rotateQuerySchema }) { emergency }: RotateQuery,
    @Caller() caller: Caller,
  ): Promise<SigningKeyRotationAnswer> {
    const occasion = emergency === 'true' ? 'emergency' : 'rotate';
    return this.onDemand.rotate({ occasion, ...caller });
  }
}
