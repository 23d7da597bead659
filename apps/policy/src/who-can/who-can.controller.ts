import type { WhoCanAnswer } from '@countersign/contracts';
import {
  ApiBearerAuth,
  ApiConsumes,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  jsonBody,
  RequireAction,
} from '@countersign/platform';
import { Body, Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { parseQuestion } from '../json-body';
import { FindWhoCan } from './find-who-can';
import { questionSchema } from './question';
import { whoCanAnswerSchema } from './who-can-answer';

@ApiTags('review')
@ApiBearerAuth()
@Controller('v1/who-can')
export class WhoCanController {
  constructor(private readonly find: FindWhoCan) {}

  @Post()
  @ApiOperation({ summary: 'Who can do this: the roles, what they ask for, and the identities seen that could' })
  @ApiConsumes('application/json')
  @jsonBody(questionSchema)
  @ApiOkResponse({ description: 'Roles and identities', standardSchema: whoCanAnswerSchema })
  @HttpCode(200)
  @RequireAction('Iam:Read')
  ask(@Body() body: unknown, @Headers('content-type') type: string | undefined): Promise<WhoCanAnswer> {
    return this.find.answer(parseQuestion(questionSchema, body, type));
  }
}
