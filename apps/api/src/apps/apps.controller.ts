import {
  App,
  AppList,
  AppQuery,
  DefaultChange,
  NoQuery,
  ResourceAccepted,
  toApp,
} from '@app/contract';
import type { Uuid } from '@app/domain';
import { AppRepository } from '@app/persistence';
import { Body, Controller, Get, HttpCode, Param, Patch, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AccountId } from '../auth/authentication.js';
import { NeedsScope } from '../auth/needs-scope.js';
import { ApiErrors } from '../errors/api-errors.js';
import { accepted } from '../http/accepted.js';
import { appNameFromPath, notFound } from '../http/id-from-path.js';
import { PublicUrl } from '../http/public-url.js';
import { AlsoTellsOfToken, listing } from '../lists/listing.js';
import { PageTokens } from '../lists/page-tokens.js';

const LIST = 'apps';

@ApiTags('Apps')
@Controller('v1/PushNotifications/Apps')
export class AppsController {
  constructor(
    private readonly apps: AppRepository,
    private readonly pageTokens: PageTokens,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Get()
  @NeedsScope('read')
  @AlsoTellsOfToken(LIST, AppQuery)
  @ApiOperation({
    operationId: 'listApps',
    summary: 'Apps, newest first',
    description: 'An App is made by its first credential and goes with its last one.',
  })
  @ApiResponse({ status: 200, description: 'A page.', standardSchema: AppList })
  @ApiErrors(400)
  async list(
    @AccountId() accountId: Uuid,
    @Query({ schema: AppQuery }) query: AppQuery,
  ): Promise<AppList> {
    const { filter, page, paginate } = listing(this.pageTokens, accountId, LIST, query);
    const found = await this.apps.list(accountId, filter, page);
    return { apps: found.items.map(toApp), pagination: paginate(found) };
  }

  @Get(':appName')
  @NeedsScope('read')
  @ApiOperation({ operationId: 'fetchApp', summary: 'One App' })
  @ApiResponse({ status: 200, description: 'The App.', standardSchema: App })
  @ApiErrors(400, 404)
  async fetch(
    @AccountId() accountId: Uuid,
    @Param('appName') appName: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
  ): Promise<App> {
    const name = appNameFromPath(appName);
    return toApp((await this.apps.find(accountId, name)) ?? notFound());
  }

  @Patch(':appName')
  @HttpCode(202)
  @NeedsScope('manage')
  @ApiOperation({ operationId: 'updateApp', summary: 'Make it the default App' })
  @ApiResponse({ status: 202, description: 'Changed.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 404, 409, 413)
  async update(
    @AccountId() accountId: Uuid,
    @Param('appName') appName: string,
    @Body({ schema: DefaultChange }) { isDefault }: DefaultChange,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    const name = appNameFromPath(appName);
    if (!(await this.apps.setDefault(accountId, name, isDefault))) notFound();
    return accepted(reply, name, this.publicUrl.of(`Apps/${name}`));
  }
}
