import type { INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { ApiBody, DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Logger } from './logger';

/** Says in the description that a body is as the schema wants it; `parseBody` reads it. */
export const jsonBody = (schema: z.ZodType): MethodDecorator =>
  ApiBody({ schema: z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }) as Record<string, unknown> });

/** Describes the HTTP endpoints of the composed modules (OpenAPI 3). */
function describeApi(app: INestApplication, service: string): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle(`countersign ${service}`)
    .setDescription('A security token service for keyless CI')
    .setVersion('1')
    .addBearerAuth();
  return SwaggerModule.createDocument(app, builder.build());
}

/** Answers `GET /openapi.json`; the description is made at the first request, not at the start. */
export function serveOpenApi(app: INestApplication, service: string): void {
  let document: OpenAPIObject | null = null;
  app.getHttpAdapter().get('/openapi.json', (_request: FastifyRequest, reply: FastifyReply) => {
    document ??= describeApi(app, service);
    void reply.type('application/json').send(JSON.stringify(document));
  });
}

/** What the constructors of these classes ask for. */
const dependenciesOf = (classes: Type[]): Type[] =>
  classes.flatMap((one) => (Reflect.getMetadata('design:paramtypes', one) as Type[] | undefined) ?? []);

/** Describes the endpoints of a module without starting it: its controllers stand on empty stand-ins. */
export async function describeModule(module: Type, service: string): Promise<OpenAPIObject> {
  const controllers = Reflect.getMetadata('controllers', module) as Type[];
  const standIns = [Logger, ...dependenciesOf(controllers)].map((provide) => ({ provide, useValue: {} }));
  const app = await NestFactory.create<NestFastifyApplication>(
    { module: class DescribedModule {}, controllers, providers: standIns },
    new FastifyAdapter(),
    { logger: false, abortOnError: false },
  );
  return describeApi(app, service);
}
