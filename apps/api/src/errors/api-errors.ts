import { ErrorBody } from '@app/contract';
import { applyDecorators } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';

const MEANINGS = {
  400: 'The request breaks the contract; every fault is named.',
  401: 'Id or secret is missing or wrong.',
  404: 'No such resource in this account.',
  409: 'The state of the resource does not allow it.',
  413: 'The body is larger than 10 MB.',
  429: 'The caller has used up its requests or recipients of this second; `Retry-After` says when to go on.',
  503: 'Not now; `Retry-After` says when.',
} as const;

/** Documents the failures of an endpoint; 401, 429 and 503 go for all. */
export function ApiErrors(...statuses: (keyof typeof MEANINGS)[]): MethodDecorator {
  return applyDecorators(
    ...[...statuses, 401 as const, 429 as const, 503 as const].map((status) =>
      ApiResponse({ status, description: MEANINGS[status], standardSchema: ErrorBody }),
    ),
  );
}
