import type { ErasureAnswer } from '@countersign/contracts';
import {
  ApiBearerAuth,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  Caller,
  jsonBody,
  parseBody,
  RequireAction,
} from '@countersign/platform';
import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { z } from 'zod';
import { Erasures, erasureSchema } from './erasures';

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
  @jsonBody(erasureSchema)
  @ApiOkResponse({ description: 'How many events were readable until now', standardSchema: answerSchema })
  erase(@Body() body: unknown, @Caller() caller: Caller): Promise<ErasureAnswer> {
    return this.erasures.erase(parseBody(erasureSchema, body), caller);
  }
}
