import {
  DeviceRegistration,
  DeviceRegistrationList,
  DeviceRegistrationQuery,
  NoBody,
  NoQuery,
  Register,
  ResourceAccepted,
  toDeviceRegistration,
} from '@app/contract';
import { formatId } from '@app/domain';
import type { DeviceRegistration as DomainDeviceRegistration, Uuid } from '@app/domain';
import { DeviceRepository } from '@app/persistence';
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AccountId } from '../auth/authentication.js';
import { NeedsScope } from '../auth/needs-scope.js';
import { ApiErrors } from '../errors/api-errors.js';
import { accepted } from '../http/accepted.js';
import { idFromPath, notFound } from '../http/id-from-path.js';
import { PublicUrl } from '../http/public-url.js';
import { AlsoTellsOfToken, listing } from '../lists/listing.js';
import { PageTokens } from '../lists/page-tokens.js';

const LIST = 'deviceRegistrations';

@ApiTags('Device registrations')
@Controller('v1/PushNotifications/DeviceRegistrations')
export class DeviceRegistrationsController {
  constructor(
    private readonly devices: DeviceRepository,
    private readonly pageTokens: PageTokens,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Post()
  @HttpCode(202)
  @NeedsScope('manage')
  @ApiOperation({
    operationId: 'registerDevice',
    summary: 'Register a device for a user',
    description:
      'The same token and provider in the same App again make no new device: it moves to the named ' +
      'user. A registration left without a device ends.',
  })
  @ApiResponse({ status: 202, description: 'Registered.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 404, 409, 413)
  async register(
    @AccountId() accountId: Uuid,
    @Body({ schema: Register }) body: Register,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    return this.accepted(reply, await this.devices.register(accountId, body));
  }

  @Get()
  @NeedsScope('read')
  @AlsoTellsOfToken(LIST, DeviceRegistrationQuery)
  @ApiOperation({
    operationId: 'listDeviceRegistrations',
    summary: "A user's registrations, newest first",
  })
  @ApiResponse({ status: 200, description: 'A page.', standardSchema: DeviceRegistrationList })
  @ApiErrors(400)
  async list(
    @AccountId() accountId: Uuid,
    @Query({ schema: DeviceRegistrationQuery }) query: DeviceRegistrationQuery,
  ): Promise<DeviceRegistrationList> {
    const { filter, page, paginate } = listing(this.pageTokens, accountId, LIST, query);
    const { userId = notFound(), appName } = filter;
    const found = await this.devices.list(accountId, { userId, appName }, page);
    return {
      deviceRegistrations: found.items.map((item) => this.resource(item)),
      pagination: paginate(found),
    };
  }

  @Get(':deviceRegistrationId')
  @NeedsScope('read')
  @ApiOperation({ operationId: 'fetchDeviceRegistration', summary: 'One registration' })
  @ApiResponse({
    status: 200,
    description: 'The registration.',
    standardSchema: DeviceRegistration,
  })
  @ApiErrors(400, 404)
  async fetch(
    @AccountId() accountId: Uuid,
    @Param('deviceRegistrationId') deviceRegistrationId: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
  ): Promise<DeviceRegistration> {
    const id = idFromPath('deviceRegistration', deviceRegistrationId);
    return this.resource((await this.devices.find(accountId, id)) ?? notFound());
  }

  @Delete(':deviceRegistrationId')
  @HttpCode(202)
  @NeedsScope('manage')
  @ApiOperation({
    operationId: 'deleteDeviceRegistration',
    summary: 'End pushes to a user in an App',
    description: 'The user stays.',
  })
  @ApiResponse({ status: 202, description: 'Deleted.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 404)
  async delete(
    @AccountId() accountId: Uuid,
    @Param('deviceRegistrationId') deviceRegistrationId: string,
    @Body({ schema: NoBody }) _body: NoBody,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    const id = idFromPath('deviceRegistration', deviceRegistrationId);
    if (!(await this.devices.delete(accountId, id))) notFound();
    return this.accepted(reply, id);
  }

  private resource(registration: DomainDeviceRegistration): DeviceRegistration {
    return toDeviceRegistration(registration, (path) => this.publicUrl.of(path));
  }

  private accepted(reply: FastifyReply, id: Uuid): ResourceAccepted {
    const resourceId = formatId('deviceRegistration', id);
    return accepted(reply, resourceId, this.publicUrl.of(`DeviceRegistrations/${resourceId}`));
  }
}
