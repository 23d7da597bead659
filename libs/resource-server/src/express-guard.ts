import { Gate, type GuardOptions } from './gate';

/** What is used of Express' request and response. */
export interface ExpressRequest {
  method: string;
  originalUrl: string;
  headers: Record<string, string | string[] | undefined>;
}

export interface ExpressResponse {
  status(code: number): { set(headers: Record<string, string>): { json(body: object): unknown } };
}

/** Express middleware: `app.use(expressGuard({ verifier }))`, then `identityOf(request)` in the handlers. */
export function expressGuard<Request extends ExpressRequest = ExpressRequest>(options: GuardOptions<Request>) {
  const gate = new Gate(options);
  const handle = async (request: Request, response: ExpressResponse, next: () => void): Promise<void> => {
    const { method, originalUrl: target, headers } = request;
    const admission = await gate.admit(request, { method, target, headers });
    if (admission.ok) return next();
    const { answer } = admission;
    response.status(answer.status).set(answer.headers).json(answer.body);
  };
  return (request: Request, response: ExpressResponse, next: (error?: unknown) => void): void => {
    handle(request, response, () => next()).catch(next);
  };
}
