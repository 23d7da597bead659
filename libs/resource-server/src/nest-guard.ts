import { Gate, type GuardOptions } from './gate';

/** What is used of Nest's ExecutionContext; the same over Fastify and over Express. */
export interface NestContext {
  switchToHttp(): { getRequest<T>(): T; getResponse<T>(): T };
}

export interface NestRequest {
  method: string;
  originalUrl: string;
  headers: Record<string, string | string[] | undefined>;
}

interface NestResponse {
  header(name: string, value: string): unknown;
}

/** `HttpException` of the application's own @nestjs/common: no other reaches its filters as what it is. */
export type NestHttpException = new (body: object, status: number) => Error;

/** A guard for `@UseGuards`, `useGlobalGuards` or APP_GUARD; then `identityOf(request)` in the handlers. */
export function nestGuard<Request extends NestRequest = NestRequest>(
  HttpException: NestHttpException,
  options: GuardOptions<Request>,
) {
  const gate = new Gate(options);
  return {
    canActivate: async (context: NestContext): Promise<boolean> => {
      const http = context.switchToHttp();
      const request = http.getRequest<Request>();
      const { method, originalUrl: target, headers } = request;
      const admission = await gate.admit(request, { method, target, headers });
      if (admission.ok) return true;
      const { answer } = admission;
      const response = http.getResponse<NestResponse>();
      for (const [name, value] of Object.entries(answer.headers)) response.header(name, value);
      throw new HttpException(answer.body, answer.status);
    },
  };
}
