import { NoQuery, Operation, OperationList, OperationQuery, toOperation } from '@app/contract';
import type { Uuid } from '@app/domain';
import { OperationRepository } from '@app/persistence';
import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AccountId } from '../auth/authentication.js';
import { NeedsScope } from '../auth/needs-scope.js';
import { ApiErrors } from '../errors/api-errors.js';
import { idFromPath, notFound } from '../http/id-from-path.js';
import { AlsoTellsOfToken, listing } from '../lists/listing.js';
import { PageTokens } from '../lists/page-tokens.js';

const LIST = 'operations';

@ApiTags('Operations')
@Controller('v1/PushNotifications/Operations')
export class OperationsController {
  constructor(
    private readonly operations: OperationRepository,
    private readonly pageTokens: PageTokens,
  ) {}

  @Get()
  @NeedsScope('read')
  @AlsoTellsOfToken(LIST, OperationQuery)
  @ApiOperation({ operationId: 'listOperations', summary: 'Operations, newest first' })
  @ApiResponse({ status: 200, description: 'A page.', standardSchema: OperationList })
  @ApiErrors(400)
  async list(
    @AccountId() accountId: Uuid,
    @Query({ schema: OperationQuery }) query: OperationQuery,
  ): Promise<OperationList> {
    const { filter, page, paginate } = listing(this.pageTokens, accountId, LIST, query);
    const found = await this.operations.list(accountId, filter, page);
    return { operations: found.items.map(toOperation), pagination: paginate(found) };
  }

  @Get(':operationId')
  @NeedsScope('read')
  @ApiOperation({ operationId: 'fetchOperation', summary: 'One operation and how far it is' })
  @ApiResponse({ status: 200, description: 'The operation.', standardSchema: Operation })
  @ApiErrors(400, 404)
  async fetch(
    @AccountId() accountId: Uuid,
    @Param('operationId') operationId: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
  ): Promise<Operation> {
    const id = idFromPath('operation', operationId);
    return toOperation((await this.operations.find(accountId, id)) ?? notFound());
  }
}
