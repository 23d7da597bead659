import type { INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type * as Swagger from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Logger } from './logger';

/** What the decorators below say, in their order, until somebody asks for a description. */
const said: ((swagger: typeof Swagger) => void)[] = [];

/** A class, or an object with a method of this name. */
type Decorate = (target: object, name?: string | symbol, method?: PropertyDescriptor) => void;
type DecoratorName = {
  [Name in keyof typeof Swagger]: Name extends `Api${string}`
    ? (typeof Swagger)[Name] extends (...args: never[]) => MethodDecorator | ClassDecorator
      ? Name
      : never
    : never;
}[keyof typeof Swagger];

/** The decorator of this name of @nestjs/swagger, applied when that package is loaded: it makes up a sixth of a start. */
const later =
  <Name extends DecoratorName>(name: Name) =>
  (...args: Parameters<(typeof Swagger)[Name]>): Decorate =>
  (...place) => {
    said.push((swagger) => {
      const decorator = swagger[name] as (...given: Parameters<(typeof Swagger)[Name]>) => Decorate;
      decorator(...args)(...place);
    });
  };

export const ApiAcceptedResponse = later('ApiAcceptedResponse');
export const ApiBearerAuth = later('ApiBearerAuth');
export const ApiBody = later('ApiBody');
export const ApiConsumes = later('ApiConsumes');
export const ApiCreatedResponse = later('ApiCreatedResponse');
export const ApiExcludeController = later('ApiExcludeController');
export const ApiExcludeEndpoint = later('ApiExcludeEndpoint');
export const ApiHeader = later('ApiHeader');
export const ApiNoContentResponse = later('ApiNoContentResponse');
export const ApiOkResponse = later('ApiOkResponse');
export const ApiOperation = later('ApiOperation');
export const ApiProduces = later('ApiProduces');
export const ApiQuery = later('ApiQuery');
export const ApiResponse = later('ApiResponse');
export const ApiTags = later('ApiTags');

/** Says in the description that a body is as the schema wants it; `parseBody` reads it. */
export const jsonBody =
  (body: z.ZodType): Decorate =>
  (...place) => {
    said.push(({ ApiBody: decorator }) => {
      const schema = z.toJSONSchema(body, { target: 'openapi-3.0', io: 'input' }) as Record<string, unknown>;
      (decorator({ schema }) as Decorate)(...place);
    });
  };

/** Describes the HTTP endpoints of the composed modules (OpenAPI 3). */
async function describeApi(app: INestApplication, service: string): Promise<Swagger.OpenAPIObject> {
  const swagger = await import('@nestjs/swagger');
  for (const say of said.splice(0)) say(swagger);
  const builder = new swagger.DocumentBuilder()
    .setTitle(`countersign ${service}`)
    .setDescription('A security token service for keyless CI')
    .setVersion('1')
    .addBearerAuth();
  return swagger.SwaggerModule.createDocument(app, builder.build());
}

/** Answers `GET /openapi.json`; the description is made at the first request, not at the start. */
export function serveOpenApi(app: INestApplication, service: string): void {
  let document: Promise<string> | undefined;
  app.getHttpAdapter().get('/openapi.json', async (_request: FastifyRequest, reply: FastifyReply) => {
    document ??= describeApi(app, service).then((description) => JSON.stringify(description));
    void reply.type('application/json').send(await document);
  });
}

/** What the constructors of these classes ask for. */
const dependenciesOf = (classes: Type[]): Type[] =>
  classes.flatMap((one) => (Reflect.getMetadata('design:paramtypes', one) as Type[] | undefined) ?? []);

/** Describes the endpoints of a module without starting it: its controllers stand on empty stand-ins. */
export async function describeModule(module: Type, service: string): Promise<Swagger.OpenAPIObject> {
  const controllers = Reflect.getMetadata('controllers', module) as Type[];
  const standIns = [Logger, ...dependenciesOf(controllers)].map((provide) => ({ provide, useValue: {} }));
  const app = await NestFactory.create<NestFastifyApplication>(
    { module: class DescribedModule {}, controllers, providers: standIns },
    new FastifyAdapter(),
    { logger: false, abortOnError: false },
  );
  return describeApi(app, service);
}
