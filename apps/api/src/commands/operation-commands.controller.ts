import { NoBody, NoQuery, ResourceAccepted } from '@app/contract';
import type { Uuid } from '@app/domain';
import { Body, Controller, Delete, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AccountId } from '../auth/authentication.js';
import { NeedsScope } from '../auth/needs-scope.js';
import { ApiErrors } from '../errors/api-errors.js';
import { accepted } from '../http/accepted.js';
import { idFromPath } from '../http/id-from-path.js';
import {
  IdempotencyKey,
  TakesIdempotencyKey,
  markReplayed,
  onceOf,
} from '../http/idempotency-key.js';
import { PublicUrl } from '../http/public-url.js';
import { CommandService } from './command.service.js';

@ApiTags('Operations')
@Controller('v1/PushNotifications/Operations')
export class OperationCommandsController {
  constructor(
    private readonly commands: CommandService,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Delete(':operationId')
  @HttpCode(202)
  @NeedsScope('send')
  @ApiOperation({
    operationId: 'cancelOperation',
    summary: 'Cancel what is not sent yet',
    description: 'What a worker is sending right now cannot be taken back.',
  })
  @ApiResponse({ status: 202, description: 'Canceled.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 404, 409)
  async cancel(
    @AccountId() accountId: Uuid,
    @Param('operationId') operationId: string,
    @Body({ schema: NoBody }) _body: NoBody,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    await this.commands.cancel(accountId, { operationId: idFromPath('operation', operationId) });
    return this.accepted(reply, operationId);
  }

  @Post(':operationId/Redrive')
  @HttpCode(202)
  @TakesIdempotencyKey()
  @NeedsScope('send')
  @ApiOperation({
    operationId: 'redriveOperation',
    summary: 'Send again what failed',
    description: 'As the same resources, with fresh attempts and a fresh time to live.',
  })
  @ApiResponse({ status: 202, description: 'Queued again.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 404, 409)
  async redrive(
    @AccountId() accountId: Uuid,
    @Param('operationId') operationId: string,
    @Body({ schema: NoBody }) _body: NoBody,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @IdempotencyKey() key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    const id = idFromPath('operation', operationId);
    const once = onceOf(key, 'POST', `Operations/${id}/Redrive`);
    const { replayed } = await this.commands.redrive(accountId, { operationId: id }, once);
    markReplayed(reply, replayed);
    return this.accepted(reply, operationId);
  }

  private accepted(reply: FastifyReply, resourceId: string): ResourceAccepted {
    return accepted(reply, resourceId, this.publicUrl.of(`Operations/${resourceId}`));
  }
}
