import {
  ApiBearerAuth,
  ApiConsumes,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  Caller,
  jsonBody,
  Public,
  RequireAction,
} from '@countersign/platform';
import { Body, Controller, Get, Header, Headers, HttpCode, Post } from '@nestjs/common';
import { z } from 'zod';
import { PolicyConfig } from '../config';
import { requireJson } from '../json-body';
import { EvaluateAccess, type DecisionAnswer } from './evaluate-access';
import { batchSchema, evaluationSchema, parseBatch, parseEvaluation } from './evaluation-request';

const decisionSchema = z
  .object({ decision: z.boolean(), context: z.record(z.string(), z.unknown()).optional() })
  .meta({ id: 'Decision' });
const decisionsSchema = z.object({ evaluations: z.array(decisionSchema) }).meta({ id: 'Decisions' });

/** OpenID AuthZEN Authorization API 1.0, for enforcement points. */
@ApiTags('decisions')
@Controller()
export class AccessController {
  constructor(
    private readonly access: EvaluateAccess,
    private readonly config: PolicyConfig,
  ) {}

  @Post('access/v1/evaluation')
  @ApiOperation({ summary: 'One decision (OpenID AuthZEN 1.0)' })
  @ApiBearerAuth()
  @ApiConsumes('application/json')
  @jsonBody(evaluationSchema)
  @ApiOkResponse({ description: 'The decision', standardSchema: decisionSchema })
  @HttpCode(200)
  @RequireAction('Decision:Evaluate')
  evaluation(
    @Body() body: unknown,
    @Headers('content-type') type: string | undefined,
    @Caller() caller: Caller,
  ): Promise<DecisionAnswer> {
    return this.access.evaluate(parseEvaluation(requireJson(body, type)), caller);
  }

  @Post('access/v1/evaluations')
  @ApiOperation({ summary: 'Several decisions at once (OpenID AuthZEN 1.0)' })
  @ApiBearerAuth()
  @ApiConsumes('application/json')
  @jsonBody(evaluationSchema.partial().extend(batchSchema.shape))
  @ApiOkResponse({ description: 'The decisions, in order', standardSchema: decisionsSchema })
  @HttpCode(200)
  @RequireAction('Decision:Evaluate')
  async evaluations(
    @Body() body: unknown,
    @Headers('content-type') type: string | undefined,
    @Caller() caller: Caller,
  ): Promise<DecisionAnswer | { evaluations: DecisionAnswer[] }> {
    const batch = parseBatch(requireJson(body, type));
    if (batch === null) return this.access.evaluate(parseEvaluation(body), caller);
    return { evaluations: await this.access.evaluateBatch(batch, caller) };
  }

  @Get('.well-known/authzen-configuration')
  @ApiOperation({ summary: 'Where decisions are asked for (OpenID AuthZEN 1.0)' })
  @Header('cache-control', 'public, max-age=3600')
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
