import type { IssuerStatus, Page } from '@countersign/contracts';
import { ApiBearerAuth, ApiOperation, ApiTags, Caller, ProblemError, RequireAction } from '@countersign/platform';
import { Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import type { IssuerKeySet } from '../keys/issuer-key-set';
import { TrustedIssuers } from './trusted-issuers';

/** Trusted issuers and the state of their keys. */
@ApiTags('issuers')
@ApiBearerAuth()
@Controller('v1/issuers')
export class IssuersController {
  constructor(private readonly issuers: TrustedIssuers) {}

  @Get('status')
  @RequireAction('Iam:Read')
  @ApiOperation({ summary: 'Keys of every trusted issuer: ages, last success, last error, next refresh' })
  statuses(): Page<IssuerStatus> {
    return { items: this.issuers.statuses(), nextCursor: null };
  }

  @Get(':name/status')
  @RequireAction('Iam:Read')
  @ApiOperation({ summary: 'The same of one issuer' })
  status(@Param('name') name: string): IssuerStatus {
    return this.named(name).status();
  }

  @Post(':name/refresh')
  @HttpCode(200)
  @RequireAction('Issuer:Refresh')
  @ApiOperation({ summary: 'Fetch the keys of one issuer now' })
  async refresh(@Param('name') name: string, @Caller() caller: Caller): Promise<IssuerStatus> {
    const keySet = this.named(name);
    await this.issuers.refresh(keySet, caller);
    return keySet.status();
  }

  private named(name: string): IssuerKeySet {
    const keySet = this.issuers.byName(name);
    if (keySet === undefined) throw new ProblemError('not-found', 'There is no such issuer.');
    return keySet;
  }
}
