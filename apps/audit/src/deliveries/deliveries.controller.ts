import type { DeliveryAnswer } from '@countersign/contracts';
import { ApiAcceptedResponse, ApiBearerAuth, ApiOperation, ApiTags, RequireAction } from '@countersign/platform';
import { Controller, HttpCode, Post } from '@nestjs/common';
import { Id } from '../path-id';
import { deliverySchema } from '../webhooks/endpoint-schema';
import { Redelivery } from './redelivery';

@ApiTags('webhooks')
@ApiBearerAuth()
@RequireAction('Webhook:Admin')
@Controller('v1/deliveries')
export class DeliveriesController {
  constructor(private readonly redelivery: Redelivery) {}

  @Post(':id/redeliver')
  @HttpCode(202)
  @ApiOperation({ summary: 'One attempt more, at once, whatever came of those before' })
  @ApiAcceptedResponse({ description: 'On its way', standardSchema: deliverySchema })
  redeliver(@Id('delivery') id: string): Promise<DeliveryAnswer> {
    return this.redelivery.redeliver(id);
  }
}
