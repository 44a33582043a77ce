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

@ApiTags('Push notifications')
@Controller('v1/PushNotifications')
export class PushNotificationCommandsController {
  constructor(
    private readonly commands: CommandService,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Delete(':pushNotificationId')
  @HttpCode(202)
  @NeedsScope('send')
  @ApiOperation({
    operationId: 'cancelPushNotification',
    summary: 'Cancel a push that is not sent yet',
    description: 'What a worker is sending right now cannot be taken back.',
  })
  @ApiResponse({ status: 202, description: 'Canceled.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 404, 409)
  async cancel(
    @AccountId() accountId: Uuid,
    @Param('pushNotificationId') pushNotificationId: string,
    @Body({ schema: NoBody }) _body: NoBody,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    await this.commands.cancel(accountId, {
      pushId: idFromPath('pushNotification', pushNotificationId),
    });
    return this.accepted(reply, pushNotificationId);
  }

  @Post(':pushNotificationId/Redrive')
  @HttpCode(202)
  @TakesIdempotencyKey()
  @NeedsScope('send')
  @ApiOperation({
    operationId: 'redrivePushNotification',
    summary: 'Send a failed push again',
    description: 'As the same resources, with fresh attempts and a fresh time to live.',
  })
  @ApiResponse({ status: 202, description: 'Queued again.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 404, 409)
  async redrive(
    @AccountId() accountId: Uuid,
    @Param('pushNotificationId') pushNotificationId: string,
    @Body({ schema: NoBody }) _body: NoBody,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @IdempotencyKey() key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    const id = idFromPath('pushNotification', pushNotificationId);
    const once = onceOf(key, 'POST', `PushNotifications/${id}/Redrive`);
    const { replayed } = await this.commands.redrive(accountId, { pushId: id }, once);
    markReplayed(reply, replayed);
    return this.accepted(reply, pushNotificationId);
  }

  private accepted(reply: FastifyReply, resourceId: string): ResourceAccepted {
    return accepted(reply, resourceId, this.publicUrl.of(`${resourceId}`));
  }
}
