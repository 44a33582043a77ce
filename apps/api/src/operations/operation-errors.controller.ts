import { OperationErrorList, OperationErrorQuery, toOperationError } from '@app/contract';
import { formatId } from '@app/domain';
import type { Uuid } from '@app/domain';
import { OperationErrorsRepository } from '@app/persistence';
import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AccountId } from '../auth/authentication.js';
import { NeedsScope } from '../auth/needs-scope.js';
import { ApiErrors } from '../errors/api-errors.js';
import { idFromPath } from '../http/id-from-path.js';
import { AlsoTellsOfToken, listing } from '../lists/listing.js';
import { PageTokens } from '../lists/page-tokens.js';

/** A token is good for this operation's list only. */
const errorsOf = (operationId: string) => `errors of ${operationId}`;

@ApiTags('Operations')
@Controller('v1/PushNotifications/Operations')
export class OperationErrorsController {
  constructor(
    private readonly errors: OperationErrorsRepository,
    private readonly pageTokens: PageTokens,
  ) {}

  @Get(':operationId/Errors')
  @NeedsScope('read')
  @AlsoTellsOfToken(({ operationId }) => errorsOf(operationId ?? ''), OperationErrorQuery)
  @ApiOperation({
    operationId: 'listOperationErrors',
    summary: 'Recipients that got nothing, and why',
    description: 'Failed pushes, newest first, then the users that no push was made for.',
  })
  @ApiResponse({ status: 200, description: 'A page.', standardSchema: OperationErrorList })
  @ApiErrors(400, 404)
  async list(
    @AccountId() accountId: Uuid,
    @Param('operationId') operationId: string,
    @Query({ schema: OperationErrorQuery }) query: OperationErrorQuery,
  ): Promise<OperationErrorList> {
    const id = idFromPath('operation', operationId);
    const list = errorsOf(formatId('operation', id));
    const { page, paginate } = listing(this.pageTokens, accountId, list, query);
    const found = await this.errors.list(accountId, id, page);
    return { errors: found.items.map(toOperationError), pagination: paginate(found) };
  }
}
