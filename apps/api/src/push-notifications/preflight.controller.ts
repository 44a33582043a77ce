import { NoQuery, Preflight, Send } from '@app/contract';
import type { Uuid } from '@app/domain';
import { Body, Controller, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AccountId } from '../auth/authentication.js';
import { NeedsScope } from '../auth/needs-scope.js';
import { ApiErrors } from '../errors/api-errors.js';
import { PreflightService } from './preflight.service.js';

@ApiTags('Push notifications')
@Controller('v1/PushNotifications/Preflight')
export class PreflightController {
  constructor(private readonly preflight: PreflightService) {}

  @Post()
  @HttpCode(200)
  @NeedsScope('send')
  @ApiOperation({
    operationId: 'preflight',
    summary: 'What a send would do; sends and stores nothing',
    description:
      'Per recipient the rendered text, its bytes for each provider, and every rule broken. A body ' +
      'of the wrong shape is answered 400, as by the send itself.',
  })
  @ApiResponse({ status: 200, description: 'Checked.', standardSchema: Preflight })
  @ApiErrors(400, 413)
  check(
    @AccountId() accountId: Uuid,
    @Body({ schema: Send }) body: Send,
    @Query({ schema: NoQuery }) _query: NoQuery,
  ): Promise<Preflight> {
    return this.preflight.check(accountId, body);
  }
}
