import type { ErasureAnswer } from '@countersign/contracts';
import { Author, RequireAction } from '@countersign/platform';
import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { parseBody } from '../webhooks/endpoint-schema';
import { Erasures, erasureSchema } from './erasures';

const bodySchema = z.toJSONSchema(erasureSchema, { target: 'openapi-3.0', io: 'input' }) as Record<string, unknown>;
const answerSchema = z.object({ erased: z.int() }).meta({ id: 'Erasure' });

@ApiTags('audit')
@ApiBearerAuth()
@RequireAction('Audit:Erase')
@Controller('v1/erasures')
export class ErasuresController {
  constructor(private readonly erasures: Erasures) {}

  @Post()
  @HttpCode(200)
  @ApiOperation({ summary: 'Make the personal data of a subject unreadable in all events so far' })
  @ApiBody({ schema: bodySchema })
  @ApiOkResponse({ description: 'How many events were readable until now', standardSchema: answerSchema })
  erase(@Body() body: unknown, @Author() author: string): Promise<ErasureAnswer> {
    return this.erasures.erase(parseBody(erasureSchema, body), author);
  }
}
