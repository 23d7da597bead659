import type { OAuthErrorBody, OAuthErrorCode } from '@countersign/contracts';
import { Logger, ProblemError, UnavailableError } from '@countersign/platform';
import { ArgumentsHost, Catch, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refusal } from './refusal';
import { attemptOf } from './token-endpoint';

interface Answer {
  status: number;
  error: OAuthErrorCode;
  description: string;
  headers: Readonly<Record<string, string>>;
}

/** What an error looks like from outside (RFC 6749 §5.2); a 503 is the same for every lost dependency. */
function answerTo(error: unknown, request: FastifyRequest): Answer {
  if (error instanceof Refusal) return answerToRefusal(error, request);
  if (error instanceof ProblemError && error.status < 500) return answerToGuard(error);
  const seconds = error instanceof UnavailableError ? error.retryAfterSeconds : 1;
  const headers = { 'retry-after': String(seconds) };
  return { status: 503, error: 'temporarily_unavailable', description: 'try again later', headers };
}

/** What the guard refuses at the endpoints that want a bearer token (RFC 7662 §2.3, RFC 6750 §3.1). */
function answerToGuard({ code, status, detail, extras }: ProblemError): Answer {
  const error = code === 'insufficient_scope' ? 'insufficient_scope' : 'invalid_token';
  return { status, error, description: detail, headers: extras.headers ?? {} };
}

function answerToRefusal(refusal: Refusal, request: FastifyRequest): Answer {
  const { description, headers } = refusal;
  const error = refusal.codeFor(attemptOf(request)?.request?.grant ?? 'token-exchange');
  if (error === 'slow_down') return { status: 429, error, description, headers };
  // A client that tried the Authorization header is told which scheme it failed with.
  const [scheme] = (request.headers.authorization ?? '').split(' ');
  if (error !== 'invalid_client' || !scheme) return { status: 400, error, description, headers };
  return { status: 401, error, description, headers: { ...headers, 'www-authenticate': 'Basic realm="countersign"' } };
}

/** The only place that writes an OAuth error. */
@Catch()
export class OAuthErrorFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const { status, error: code, description, headers } = answerTo(error, request);
    const { traceId } = request.trace;
    if (status === 503) this.logger.error('exchange failed', { traceId, error });
    const body: OAuthErrorBody = { error: code, error_description: description, trace_id: traceId };
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    void reply
      .code(status)
      .headers({ 'cache-control': 'no-store', ...headers })
      .type('application/json')
      .send(JSON.stringify(body));
  }
}
