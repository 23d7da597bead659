import type { DeliveryAnswer, Page, RotatedSecretAnswer, WebhookAnswer } from '@countersign/contracts';
import {
  ApiAcceptedResponse,
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  Caller,
  jsonBody,
  parseBody,
  RequireAction,
} from '@countersign/platform';
import { Body, Controller, Delete, Get, Header, HttpCode, Patch, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { DeliveryReader } from '../deliveries/delivery-reader';
import { Redelivery } from '../deliveries/redelivery';
import { pageQuerySchema, type PageQuery } from '../paging';
import { EndpointAdmin } from './endpoint-admin';
import {
  deliveryPageSchema,
  endpointAnswerSchema,
  endpointChangesSchema,
  endpointPageSchema,
  newEndpointAnswerSchema,
  newEndpointSchema,
  recoverQuery,
  rotatedSecretSchema,
} from './endpoint-schema';
import { EndpointStore } from './endpoint-store';
import { Id } from '../path-id';

/** Endpoints that events are delivered to. */
@ApiTags('webhooks')
@ApiBearerAuth()
@RequireAction('Webhook:Admin')
@Controller('v1/webhooks')
export class WebhooksController {
  constructor(
    private readonly admin: EndpointAdmin,
    private readonly store: EndpointStore,
    private readonly deliveries: DeliveryReader,
    private readonly redelivery: Redelivery,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Register a webhook; its secret is shown in this answer only' })
  @jsonBody(newEndpointSchema)
  @ApiCreatedResponse({ description: 'Registered', standardSchema: newEndpointAnswerSchema })
  async create(
    @Body() body: unknown,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WebhookAnswer> {
    const answer = await this.admin.create(parseBody(newEndpointSchema, body), caller);
    void reply.header('location', `/v1/webhooks/${answer.id}`).header('cache-control', 'no-store');
    return answer;
  }

  @Get()
  @ApiOperation({ summary: 'Webhooks, oldest first' })
  @ApiOkResponse({ description: 'A page of webhooks', standardSchema: endpointPageSchema })
  list(@Query({ schema: pageQuerySchema }) query: PageQuery): Promise<Page<WebhookAnswer>> {
    return this.store.list(query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One webhook' })
  @ApiOkResponse({ description: 'The webhook', standardSchema: endpointAnswerSchema })
  get(@Id() id: string): Promise<WebhookAnswer> {
    return this.admin.find(id);
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change the filter, disable or enable' })
  @jsonBody(endpointChangesSchema)
  @ApiOkResponse({ description: 'Changed', standardSchema: endpointAnswerSchema })
  update(@Id() id: string, @Body() body: unknown, @Caller() caller: Caller): Promise<WebhookAnswer> {
    return this.admin.update(id, parseBody(endpointChangesSchema, body), caller);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a webhook with its deliveries' })
  @ApiNoContentResponse({ description: 'Deleted' })
  delete(@Id() id: string, @Caller() caller: Caller): Promise<void> {
    return this.admin.delete(id, caller);
  }

  @Get(':id/deliveries')
  @ApiOperation({ summary: 'Deliveries of a webhook, newest first' })
  @ApiOkResponse({ description: 'A page of deliveries', standardSchema: deliveryPageSchema })
  async listDeliveries(
    @Id() id: string,
    @Query({ schema: pageQuerySchema }) query: PageQuery,
  ): Promise<Page<DeliveryAnswer>> {
    await this.admin.find(id);
    return this.deliveries.list(id, query);
  }

  @Post(':id/rotate-secret')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Replace the secret; the one before is good for another day' })
  @ApiOkResponse({ description: 'The new secret, shown in this answer only', standardSchema: rotatedSecretSchema })
  rotateSecret(@Id() id: string, @Caller() caller: Caller): Promise<RotatedSecretAnswer> {
    return this.admin.rotateSecret(id, caller);
  }

  @Post(':id/recover')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Deliver again what the webhook has not taken since a time, and what it missed while disabled',
  })
  @ApiAcceptedResponse({ description: 'On its way', standardSchema: z.object({ recovered: z.int() }) })
  recover(
    @Id() id: string,
    @Query({ schema: recoverQuery }) { since }: z.infer<typeof recoverQuery>,
  ): Promise<{ recovered: number }> {
    return this.redelivery.recover(id, since);
  }

  @Post(':id/test')
  @HttpCode(202)
  @ApiOperation({ summary: 'Deliver a test event' })
  @ApiAcceptedResponse({ description: 'On its way', standardSchema: z.object({ eventId: z.string() }) })
  test(@Id() id: string, @Caller() caller: Caller): Promise<{ eventId: string }> {
    return this.admin.test(id, caller);
  }
}
