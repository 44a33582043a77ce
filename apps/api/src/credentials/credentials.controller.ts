import {
  Credential,
  CredentialCheck,
  CredentialCreate,
  CredentialList,
  CredentialQuery,
  CredentialRotation,
  DefaultChange,
  NoBody,
  NoQuery,
  ResourceAccepted,
  toCredential,
} from '@app/contract';
import { formatId, parseId } from '@app/domain';
import type { Uuid } from '@app/domain';
import { CredentialRepository, DispatchSignal } from '@app/persistence';
import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Patch,
  Post,
  Put,
  Query,
  Res,
} from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AccountId } from '../auth/authentication.js';
import { NeedsScope } from '../auth/needs-scope.js';
import { AlsoTells } from '../errors/all-faults.interceptor.js';
import type { BrokenRequest, Provided } from '../errors/all-faults.interceptor.js';
import { ApiErrors } from '../errors/api-errors.js';
import { accepted } from '../http/accepted.js';
import { idFromPath, notFound } from '../http/id-from-path.js';
import { PublicUrl } from '../http/public-url.js';
import { AlsoTellsOfToken, listing } from '../lists/listing.js';
import { PageTokens } from '../lists/page-tokens.js';
import { checkContent, refuseContent, refuseNewCredential } from './check-content.js';
import { CredentialChecks } from './credential-checks.js';

const LIST = 'credentials';

@ApiTags('Credentials')
@Controller('v1/PushNotifications/Credentials')
export class CredentialsController {
  constructor(
    private readonly credentials: CredentialRepository,
    private readonly checks: CredentialChecks,
    private readonly workers: DispatchSignal,
    private readonly pageTokens: PageTokens,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Post()
  @HttpCode(202)
  @NeedsScope('manage')
  @AlsoTells(refuseNewCredential)
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
    const { content, ...rest } = body;
    const checked = checkContent(body.credentialType, content, '$.content', new Date());
    const { id } = await this.credentials.create(accountId, { ...rest, ...checked });
    return this.accepted(reply, id);
  }

  @Get()
  @NeedsScope('read')
  @AlsoTellsOfToken(LIST, CredentialQuery)
  @ApiOperation({ operationId: 'listCredentials', summary: 'Credentials, newest first' })
  @ApiResponse({ status: 200, description: 'A page.', standardSchema: CredentialList })
  @ApiErrors(400)
  async list(
    @AccountId() accountId: Uuid,
    @Query({ schema: CredentialQuery }) query: CredentialQuery,
  ): Promise<CredentialList> {
    const { filter, page, paginate } = listing(this.pageTokens, accountId, LIST, query);
    const found = await this.credentials.list(accountId, filter, page);
    return { credentials: found.items.map(toCredential), pagination: paginate(found) };
  }

  @Get(':credentialId')
  @NeedsScope('read')
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

  @Patch(':credentialId')
  @HttpCode(202)
  @NeedsScope('manage')
  @ApiOperation({
    operationId: 'updateCredential',
    summary: 'Make it the default of its type in its App',
  })
  @ApiResponse({ status: 202, description: 'Changed.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 404, 409, 413)
  async update(
    @AccountId() accountId: Uuid,
    @Param('credentialId') credentialId: string,
    @Body({ schema: DefaultChange }) { isDefault }: DefaultChange,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    const id = idFromPath('credential', credentialId);
    if (!(await this.credentials.setDefault(accountId, id, isDefault))) notFound();
    return this.accepted(reply, id);
  }

  @Put(':credentialId/Content')
  @HttpCode(202)
  @NeedsScope('manage')
  @AlsoTells(refuseRotation)
  @ApiOperation({
    operationId: 'rotateCredential',
    summary: 'Replace its secret in place',
    description:
      'Takes the content that its type takes at creation. Sends under way finish on the old one, ' +
      'within ten seconds all others use the new one.',
  })
  @ApiResponse({ status: 202, description: 'Replaced.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 404, 413)
  async rotate(
    @AccountId() accountId: Uuid,
    @Param('credentialId') credentialId: string,
    @Body({ schema: CredentialRotation }) content: CredentialRotation,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    const id = idFromPath('credential', credentialId);
    const { credentialType } = (await this.credentials.find(accountId, id)) ?? notFound();
    const checked = checkContent(credentialType, content, '$', new Date());
    if (!(await this.credentials.rotate(accountId, id, checked))) notFound();
    this.workers.notify('pauses');
    return this.accepted(reply, id);
  }

  @Post(':credentialId/Check')
  @HttpCode(200)
  @NeedsScope('manage')
  @ApiOperation({
    operationId: 'checkCredential',
    summary: 'Ask the provider whether it works',
    description:
      'Delivers nothing. A worker asks; when none answers within ten seconds, the answer is 503. Not ok is ' +
      'also what could not be found out: the detail says which.',
  })
  @ApiResponse({ status: 200, description: 'What it said.', standardSchema: CredentialCheck })
  @ApiErrors(400, 404)
  async check(
    @AccountId() accountId: Uuid,
    @Param('credentialId') credentialId: string,
    @Body({ schema: NoBody }) _body: NoBody,
    @Query({ schema: NoQuery }) _query: NoQuery,
  ): Promise<CredentialCheck> {
    const id = idFromPath('credential', credentialId);
    if ((await this.credentials.find(accountId, id)) === null) notFound();
    return this.checks.ask(accountId, id);
  }

  @Delete(':credentialId')
  @HttpCode(202)
  @NeedsScope('manage')
  @ApiOperation({
    operationId: 'deleteCredential',
    summary: 'Delete it',
    description:
      'What waits for it fails. Of the others of its type in the App the newest becomes the ' +
      'default after it; the last credential of an App takes the App and its registrations with ' +
      'it. After the default App another one is the default only when it is made so.',
  })
  @ApiResponse({ status: 202, description: 'Deleted.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 404)
  async delete(
    @AccountId() accountId: Uuid,
    @Param('credentialId') credentialId: string,
    @Body({ schema: NoBody }) _body: NoBody,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    const id = idFromPath('credential', credentialId);
    if (!(await this.credentials.delete(accountId, id))) notFound();
    this.workers.notify('pauses');
    return this.accepted(reply, id);
  }

  private accepted(reply: FastifyReply, id: Uuid): ResourceAccepted {
    const resourceId = formatId('credential', id);
    return accepted(reply, resourceId, this.publicUrl.of(`Credentials/${resourceId}`));
  }
}

/** Which content fits is known by the credential, if there is one. */
async function refuseRotation(request: BrokenRequest, of: Provided): Promise<void> {
  const { accountId, body, params, named } = request;
  const id = parseId('credential', params['credentialId'] ?? '');
  const found = id === null ? null : await of(CredentialRepository).find(accountId, id);
  if (found !== null) refuseContent(found.credentialType, body, '$', named);
}
