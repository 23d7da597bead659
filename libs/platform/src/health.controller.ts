import { Controller, Get, HttpCode } from '@nestjs/common';
import { Public } from './admin.guard';
import { Readiness } from './health';
import { ApiExcludeController } from './openapi';
import { ProblemError } from './problem';

/** What anybody may ask: is the process alive, may it be sent requests. No details; those are on the management port. */
@Public()
@ApiExcludeController()
@Controller('health')
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get('live')
  @HttpCode(200)
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('ready')
  async ready(): Promise<{ status: 'ok' }> {
    const { ready } = await this.readiness.report();
    if (!ready) throw new ProblemError('unavailable', 'Not ready.', { headers: { 'retry-after': '1' } });
    return { status: 'ok' };
  }
}
