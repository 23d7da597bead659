import type { OAuthErrorBody, ProblemCode } from '@countersign/contracts';
import { ArgumentsHost, Catch, ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Logger } from './logger';
import { ProblemError, isOAuthPath } from './problem';
import { UnavailableError } from './resource';

const BY_STATUS: Record<number, ProblemCode> = {
  400: 'malformed-request',
  404: 'not-found',
  405: 'method-not-allowed',
  413: 'too-large',
  415: 'unsupported-media-type',
  429: 'rate-limited',
};

/** What the framework refuses has a status of its own (Nest: getStatus, Fastify: statusCode). */
function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  return typeof error === 'object' && error !== null && 'statusCode' in error ? Number(error.statusCode) : 500;
}

function asProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof UnavailableError) {
    const headers = { 'retry-after': String(error.retryAfterSeconds) };
    return new ProblemError('unavailable', 'A dependency does not answer; try again.', { headers });
  }
  const status = statusOf(error);
  const code = BY_STATUS[status] ?? (status >= 400 && status < 500 ? 'malformed-request' : 'internal');
  return new ProblemError(code, code === 'internal' ? 'Something failed on our side.' : 'The request was refused.');
}

/** What Fastify refuses on the way to an OAuth endpoint: too large, JSON that cannot be read, no media type. */
const oauthBody = ({ status, detail }: ProblemError, traceId: string): OAuthErrorBody => ({
  error: status >= 500 ? 'temporarily_unavailable' : 'invalid_request',
  error_description: detail,
  trace_id: traceId,
});

/** The one place that writes `application/problem+json`: the public text here, the cause in the log. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = asProblem(error);
    const http = host.switchToHttp();
    const { method, url, trace } = http.getRequest<FastifyRequest>();
    const { traceId } = trace;
    this.log(error, problem, traceId);
    const isOAuth = method === 'POST' && isOAuthPath(url) && problem.code !== 'not-found';
    void http
      .getResponse<FastifyReply>()
      .code(problem.status)
      .headers({ 'cache-control': 'no-store', ...problem.extras.headers })
      .type(isOAuth ? 'application/json' : 'application/problem+json')
      .send(JSON.stringify(isOAuth ? oauthBody(problem, traceId) : problem.body(traceId)));
  }

  private log(error: unknown, { code }: ProblemError, traceId: string): void {
    if (error instanceof UnavailableError)
      this.logger.warn('a dependency does not answer', { traceId, reason: error.message, cause: String(error.cause) });
    else if (code === 'internal') this.logger.error('request failed', { traceId, error });
  }
}
