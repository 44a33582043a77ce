import { randomBytes } from 'node:crypto';
import {
  ApiKey,
  ApiKeyCreate,
  ApiKeyCreated,
  ApiKeyList,
  ApiKeyQuery,
  NoBody,
  NoQuery,
  ResourceAccepted,
  toApiKey,
} from '@app/contract';
import { Forbidden, formatApiKeyId, parseApiKeyId } from '@app/domain';
import type { Uuid } from '@app/domain';
import { ApiKeyRepository } from '@app/persistence';
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AccountId, FromCaller } from '../auth/authentication.js';
import { hashToken } from '../auth/authenticator.js';
import type { Caller } from '../auth/authenticator.js';
import { NeedsScope } from '../auth/needs-scope.js';
import { ApiErrors } from '../errors/api-errors.js';
import { accepted } from '../http/accepted.js';
import { notFound } from '../http/id-from-path.js';
import { PublicUrl } from '../http/public-url.js';
import { AlsoTellsOfToken, listing } from '../lists/listing.js';
import { PageTokens } from '../lists/page-tokens.js';

const SECRET_BYTES = 32;

const LIST = 'apiKeys';

/** All of it needs `manage`: who may only look has no business with the keys of others. */
@ApiTags('API keys')
@Controller('v1/ApiKeys')
export class ApiKeysController {
  constructor(
    private readonly apiKeys: ApiKeyRepository,
    private readonly pageTokens: PageTokens,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Post()
  @NeedsScope('manage')
  @ApiOperation({
    operationId: 'createApiKey',
    summary: 'Make an API key',
    description:
      'The secret is in this answer and nowhere else. A key hands out no scope that it lacks itself.',
  })
  @ApiResponse({ status: 201, description: 'Made.', standardSchema: ApiKeyCreated })
  @ApiErrors(400, 413)
  async create(
    @FromCaller() caller: Caller,
    @Body({ schema: ApiKeyCreate }) { name, scopes }: ApiKeyCreate,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ApiKeyCreated> {
    const beyond = scopes.find((scope) => !caller.scopes.includes(scope));
    if (beyond !== undefined) throw new Forbidden(`The API key lacks the scope ${beyond} itself.`);
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    const key = await this.apiKeys.create(caller.accountId, {
      name,
      scopes,
      secretHash: hashToken(secret),
    });
    const resource = toApiKey(key);
    void reply.header('location', this.publicUrl.underVersion(`ApiKeys/${resource.id}`));
    return { ...resource, secret };
  }

  @Get()
  @NeedsScope('manage')
  @AlsoTellsOfToken(LIST, ApiKeyQuery)
  @ApiOperation({ operationId: 'listApiKeys', summary: 'API keys, newest first' })
  @ApiResponse({ status: 200, description: 'A page.', standardSchema: ApiKeyList })
  @ApiErrors(400)
  async list(
    @AccountId() accountId: Uuid,
    @Query({ schema: ApiKeyQuery }) query: ApiKeyQuery,
  ): Promise<ApiKeyList> {
    const { page, paginate } = listing(this.pageTokens, accountId, LIST, query);
    const found = await this.apiKeys.list(accountId, page);
    return { apiKeys: found.items.map(toApiKey), pagination: paginate(found) };
  }

  @Get(':apiKeyId')
  @NeedsScope('manage')
  @ApiOperation({ operationId: 'fetchApiKey', summary: 'One API key, without its secret' })
  @ApiResponse({ status: 200, description: 'The API key.', standardSchema: ApiKey })
  @ApiErrors(400, 404)
  async fetch(
    @AccountId() accountId: Uuid,
    @Param('apiKeyId') apiKeyId: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
  ): Promise<ApiKey> {
    const id = parseApiKeyId(apiKeyId) ?? notFound();
    return toApiKey((await this.apiKeys.find(accountId, id)) ?? notFound());
  }

  @Delete(':apiKeyId')
  @HttpCode(202)
  @NeedsScope('manage')
  @ApiOperation({
    operationId: 'revokeApiKey',
    summary: 'Revoke an API key',
    description: 'Within five seconds nobody takes it any more.',
  })
  @ApiResponse({ status: 202, description: 'Revoked.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 404)
  async revoke(
    @AccountId() accountId: Uuid,
    @Param('apiKeyId') apiKeyId: string,
    @Body({ schema: NoBody }) _body: NoBody,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    const id = parseApiKeyId(apiKeyId) ?? notFound();
    if (!(await this.apiKeys.delete(accountId, id))) notFound();
    const resourceId = formatApiKeyId(id);
    return accepted(reply, resourceId, this.publicUrl.underVersion(`ApiKeys/${resourceId}`));
  }
}
