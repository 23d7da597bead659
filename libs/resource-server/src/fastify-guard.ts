import { Gate, type GuardOptions } from './gate';

/** What is used of Fastify's request and reply. */
export interface FastifyRequest {
  method: string;
  originalUrl: string;
  headers: Record<string, string | string[] | undefined>;
}

export interface FastifyReply {
  code(status: number): { headers(headers: Record<string, string>): { send(body: object): unknown } };
}

/** Fastify hook: `app.addHook('onRequest', fastifyGuard({ verifier }))`, then `identityOf(request)` in the handlers. */
export function fastifyGuard<Request extends FastifyRequest = FastifyRequest>(options: GuardOptions<Request>) {
  const gate = new Gate(options);
  return async (request: Request, reply: FastifyReply): Promise<unknown> => {
    const { method, originalUrl: target, headers } = request;
    const admission = await gate.admit(request, { method, target, headers });
    if (admission.ok) return undefined;
    const { answer } = admission;
    return reply.code(answer.status).headers(answer.headers).send(answer.body);
  };
}
