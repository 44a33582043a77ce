import {
  NoQuery,
  PushNotificationDetail,
  PushNotificationList,
  PushNotificationQuery,
  Send,
  SendAccepted,
  parseTagsFilter,
  toPushNotification,
  toPushNotificationDetail,
} from '@app/contract';
import { formatId } from '@app/domain';
import type { Uuid } from '@app/domain';
import { PushNotificationRepository } from '@app/persistence';
import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AccountId, FromCaller } from '../auth/authentication.js';
import type { Caller } from '../auth/authenticator.js';
import { NeedsScope } from '../auth/needs-scope.js';
import { AlsoTells } from '../errors/all-faults.interceptor.js';
import { ApiErrors } from '../errors/api-errors.js';
import { idFromPath, notFound } from '../http/id-from-path.js';
import {
  IdempotencyKey,
  TakesIdempotencyKey,
  markReplayed,
  onceOf,
} from '../http/idempotency-key.js';
import { PublicUrl } from '../http/public-url.js';
import { AlsoTellsOfToken, listing } from '../lists/listing.js';
import { PageTokens } from '../lists/page-tokens.js';
import { RateLimits } from '../rate-limits/rate-limits.js';
import { SendCheck } from './send-check.js';
import { SendService } from './send.service.js';
import { renderContent } from './templates.js';

const LIST = 'pushes';

@ApiTags('Push notifications')
@Controller('v1/PushNotifications')
export class PushNotificationsController {
  constructor(
    private readonly sending: SendService,
    private readonly rateLimits: RateLimits,
    private readonly pushNotifications: PushNotificationRepository,
    private readonly pageTokens: PageTokens,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Post()
  @HttpCode(202)
  @NeedsScope('send')
  @TakesIdempotencyKey()
  @AlsoTells(({ accountId, body }, of) => of(SendCheck).refuse(accountId, body))
  @ApiOperation({
    operationId: 'sendPushNotifications',
    summary: 'Send to up to 10,000 recipients',
    description: 'Answered once the operation and every recipient are durable.',
  })
  @ApiResponse({ status: 202, description: 'Accepted.', standardSchema: SendAccepted })
  @ApiErrors(400, 413)
  async send(
    @FromCaller() caller: Caller,
    @Body({ schema: Send }) body: Send,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @IdempotencyKey() key: string | undefined,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SendAccepted> {
    const once = onceOf(key, 'POST', 'PushNotifications', request.body);
    const { id, replayed } = await this.sending.accept(caller.accountId, body, once, (recipients) =>
      this.rateLimits.chargeRecipients(caller, recipients),
    );
    markReplayed(reply, replayed);
    const operationId = formatId('operation', id);
    const operationLocation = this.publicUrl.of(`Operations/${operationId}`);
    void reply.header('location', operationLocation);
    return { operationId, operationLocation };
  }

  @Get()
  @NeedsScope('read')
  @AlsoTellsOfToken(LIST, PushNotificationQuery)
  @ApiOperation({ operationId: 'listPushNotifications', summary: 'Pushes, newest first' })
  @ApiResponse({ status: 200, description: 'A page.', standardSchema: PushNotificationList })
  @ApiErrors(400)
  async list(
    @AccountId() accountId: Uuid,
    @Query({ schema: PushNotificationQuery }) query: PushNotificationQuery,
  ): Promise<PushNotificationList> {
    const { filter, page, paginate } = listing(this.pageTokens, accountId, LIST, query);
    const { tags, errorCode, user: userId, ...others } = filter;
    const found = await this.pushNotifications.list(
      accountId,
      {
        ...others,
        userId,
        tags: tags === undefined ? undefined : parseTagsFilter(tags),
        errorCode: errorCode === undefined ? undefined : Number(errorCode),
      },
      page,
    );
    return {
      pushNotifications: found.items.map(toPushNotification),
      pagination: paginate(found),
    };
  }

  @Get(':pushNotificationId')
  @NeedsScope('read')
  @ApiOperation({ operationId: 'fetchPushNotification', summary: 'One push, rendered' })
  @ApiResponse({ status: 200, description: 'The push.', standardSchema: PushNotificationDetail })
  @ApiErrors(400, 404)
  async fetch(
    @AccountId() accountId: Uuid,
    @Param('pushNotificationId') pushNotificationId: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
  ): Promise<PushNotificationDetail> {
    const id = idFromPath('pushNotification', pushNotificationId);
    const { push, settings, history } =
      (await this.pushNotifications.find(accountId, id)) ?? notFound();
    const now = push.scheduledFor ?? push.createdAt;
    const content = renderContent(settings.content, push.target.variables ?? {}, now);
    return toPushNotificationDetail(push, history, content);
  }
}
