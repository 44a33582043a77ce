import {
  NoBody,
  NoQuery,
  ResourceAccepted,
  User,
  UserList,
  UserQuery,
  toUser,
} from '@app/contract';
import { formatId } from '@app/domain';
import type { Uuid } from '@app/domain';
import { UserRepository } from '@app/persistence';
import { Body, Controller, Delete, Get, HttpCode, Param, Query, Res } from '@nestjs/common';
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

const LIST = 'users';

@ApiTags('Users')
@Controller('v1/PushNotifications/Users')
export class UsersController {
  constructor(
    private readonly users: UserRepository,
    private readonly pageTokens: PageTokens,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Get()
  @NeedsScope('read')
  @AlsoTellsOfToken(LIST, UserQuery)
  @ApiOperation({
    operationId: 'listUsers',
    summary: 'Users, newest first',
    description: 'Deleted ones are among them and say so.',
  })
  @ApiResponse({ status: 200, description: 'A page.', standardSchema: UserList })
  @ApiErrors(400)
  async list(
    @AccountId() accountId: Uuid,
    @Query({ schema: UserQuery }) query: UserQuery,
  ): Promise<UserList> {
    const { page, paginate } = listing(this.pageTokens, accountId, LIST, query);
    const found = await this.users.list(accountId, page);
    return { users: found.items.map(toUser), pagination: paginate(found) };
  }

  @Get(':userId')
  @NeedsScope('read')
  @ApiOperation({ operationId: 'fetchUser', summary: 'One user' })
  @ApiResponse({ status: 200, description: 'The user.', standardSchema: User })
  @ApiErrors(400, 404)
  async fetch(
    @AccountId() accountId: Uuid,
    @Param('userId') userId: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
  ): Promise<User> {
    const id = idFromPath('user', userId);
    return toUser((await this.users.find(accountId, id)) ?? notFound());
  }

  @Delete(':userId')
  @HttpCode(202)
  @NeedsScope('manage')
  @ApiOperation({
    operationId: 'deleteUser',
    summary: 'Delete a user and its registrations',
    description: 'The user stays readable, with `deletedAt`.',
  })
  @ApiResponse({ status: 202, description: 'Deleted.', standardSchema: ResourceAccepted })
  @ApiErrors(400, 404)
  async delete(
    @AccountId() accountId: Uuid,
    @Param('userId') userId: string,
    @Body({ schema: NoBody }) _body: NoBody,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceAccepted> {
    const id = idFromPath('user', userId);
    if (!(await this.users.delete(accountId, id))) notFound();
    const resourceId = formatId('user', id);
    return accepted(reply, resourceId, this.publicUrl.of(`Users/${resourceId}`));
  }
}
