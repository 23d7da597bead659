import type { Socket } from 'node:net';
import type { SimulationAnswer } from '@countersign/contracts';
import {
  ApiBearerAuth,
  ApiConsumes,
  ApiOperation,
  ApiTags,
  Clock,
  jsonBody,
  RequireAction,
} from '@countersign/platform';
import { Body, Controller, Headers, HttpCode, Post, Req } from '@nestjs/common';
import { SimulateDocuments } from './simulate-documents';
import { parseSimulation, simulationBody } from './simulation-request';

/** The server closes what is silent for longer than its usual answers take. */
const MAX_SILENCE_MS = 60_000;

@ApiTags('documents')
@ApiBearerAuth()
@Controller('v1/simulate')
export class SimulateController {
  constructor(
    private readonly simulation: SimulateDocuments,
    private readonly clock: Clock,
  ) {}

  @Post()
  @ApiOperation({ summary: 'What candidate documents would change about the exchanges of a time range' })
  @ApiConsumes('application/json')
  @jsonBody(simulationBody)
  @HttpCode(200)
  @RequireAction('Iam:Simulate')
  simulate(
    @Body() body: unknown,
    @Headers('content-type') contentType: string | undefined,
    @Req() { socket }: { socket: Socket },
  ): Promise<SimulationAnswer> {
    const request = parseSimulation(body, contentType, this.clock.now());
    socket.setTimeout(MAX_SILENCE_MS);
    return this.simulation.simulate(request, () => socket.destroyed);
  }
}
