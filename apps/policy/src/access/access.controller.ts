import { Author, Public, RequireAction } from '@countersign/platform';
import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { PolicyConfig } from '../config';
import { EvaluateAccess, type DecisionAnswer } from './evaluate-access';
import { parseBatch, parseEvaluation } from './evaluation-request';

/** OpenID AuthZEN Authorization API 1.0, for enforcement points. */
@ApiTags('decisions')
@ApiBearerAuth()
@Controller()
export class AccessController {
  constructor(
    private readonly access: EvaluateAccess,
    private readonly config: PolicyConfig,
  ) {}

  @Post('access/v1/evaluation')
  @ApiOperation({ summary: 'One decision (OpenID AuthZEN 1.0)' })
  @HttpCode(200)
  @RequireAction('Decision:Evaluate')
  evaluation(@Body() body: unknown, @Author() author: string): Promise<DecisionAnswer> {
    return this.access.evaluate(parseEvaluation(body), author);
  }

  @Post('access/v1/evaluations')
  @ApiOperation({ summary: 'Several decisions at once (OpenID AuthZEN 1.0)' })
  @HttpCode(200)
  @RequireAction('Decision:Evaluate')
  async evaluations(@Body() body: unknown, @Author() author: string) {
    const batch = parseBatch(body);
    if (batch === null) return this.access.evaluate(parseEvaluation(body), author);
    return { evaluations: await this.access.evaluateBatch(batch, author) };
  }

  @Get('.well-known/authzen-configuration')
  @ApiOperation({ summary: 'Where decisions are asked for (OpenID AuthZEN 1.0)' })
  @Public()
  configuration(): Record<string, string> {
    const { publicUrl } = this.config;
    return {
      policy_decision_point: publicUrl,
      access_evaluation_endpoint: `${publicUrl}/access/v1/evaluation`,
      access_evaluations_endpoint: `${publicUrl}/access/v1/evaluations`,
    };
  }
}
