import {
  Credential,
  CredentialCreate,
  NoQuery,
  ResourceAccepted,
  toCredential,
} from '@app/contract';
import { formatId } from '@app/domain';
import type { Uuid } from '@app/domain';
import { CredentialRepository } from '@app/persistence';
import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AccountId } from '../auth/account-id.js';
import { ApiErrors } from '../errors/api-errors.js';
import { idFromPath, notFound } from '../http/id-from-path.js';
import { PublicUrl } from '../http/public-url.js';
import { checkContent } from './check-content.js';

@ApiTags('Credentials')
@Controller('v1/PushNotifications/Credentials')
export class CredentialsController {
  constructor(
    private readonly credentials: CredentialRepository,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Post()
  @HttpCode(202)
  @ApiOperation({
    operationId: 'createCredential',
    summary: 'Store a provider credential',
    description: 'Its App is made when it is new. The secret is sealed and never given out again.',
  })
  @ApiResponse({ status: 202, description: 'Stored.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 409, 413)
  async create(
    @AccountId() accountId: Uuid,
    @Body({ schema: CredentialCreate }) body: CredentialCreate,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    const { id } = await this.credentials.create(accountId, checkContent(body, new Date()));
    const resourceId = formatId('credential', id);
    const resourceLocation = this.publicUrl.of(`Credentials/${resourceId}`);
    void reply.header('location', resourceLocation);
    return { resourceId, resourceLocation };
  }

  @Get(':credentialId')
  @ApiOperation({ operationId: 'fetchCredential', summary: 'One credential, without its secret' })
  @ApiResponse({ status: 200, description: 'The credential.', standardSchema: Credential })
  @ApiErrors(400, 404)
  async fetch(
    @AccountId() accountId: Uuid,
    @Param('credentialId') credentialId: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
  ): Promise<Credential> {
    const id = idFromPath('credential', credentialId);
    return toCredential((await this.credentials.find(accountId, id)) ?? notFound());
  }
}
