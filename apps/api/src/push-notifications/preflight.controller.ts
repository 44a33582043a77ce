import { NoQuery, Preflight, Send } from '@app/contract';
import { Body, Controller, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { FromCaller } from '../auth/authentication.js';
import type { Caller } from '../auth/authenticator.js';
import { NeedsScope } from '../auth/needs-scope.js';
import { AlsoTells } from '../errors/all-faults.interceptor.js';
import { ApiErrors } from '../errors/api-errors.js';
import { RateLimits } from '../rate-limits/rate-limits.js';
import { PreflightService } from './preflight.service.js';
import { SendCheck } from './send-check.js';

@ApiTags('Push notifications')
@Controller('v1/PushNotifications/Preflight')
export class PreflightController {
  constructor(
    private readonly preflight: PreflightService,
    private readonly rateLimits: RateLimits,
  ) {}

  @Post()
  @HttpCode(200)
  @NeedsScope('send')
  @AlsoTells(({ accountId, body }, of) => of(SendCheck).refuse(accountId, body))
  @ApiOperation({
    operationId: 'preflight',
    summary: 'What a send would do; sends and stores nothing',
    description:
      'Per recipient the rendered text, its bytes for each provider, and every rule broken. A body ' +
      'of the wrong shape is answered 400, as by the send itself; its recipients count against the rate ' +
      'limit as those of a send.',
  })
  @ApiResponse({ status: 200, description: 'Checked.', standardSchema: Preflight })
  @ApiErrors(400, 413)
  async check(
    @FromCaller() caller: Caller,
    @Body({ schema: Send }) body: Send,
    @Query({ schema: NoQuery }) _query: NoQuery,
  ): Promise<Preflight> {
    // Rendering is its work, so it pays before that.
    await this.rateLimits.chargeRecipients(caller, body.to.length);
    return this.preflight.check(caller.accountId, body);
  }
}
