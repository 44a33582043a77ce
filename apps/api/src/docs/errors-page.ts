import { FAILURES } from '@app/domain';

/** The text of `docs/errors.md`, from the catalogue in libs/domain/src/errors.ts. */
export function errorsPage(): string {
  const rows = Object.entries(FAILURES).map(
    ([name, { code, sentence, action }]) => `| ${code} | \`${name}\` | ${sentence} | ${action} |`,
  );
  return `${[
    '# Errors',
    '',
    '<!-- Generated from libs/domain/src/errors.ts: do not edit. -->',
    '',
    '## Codes of failed pushes',
    '',
    'A push that is `FAILED` says why in `error.code`. Numbers are never reused.',
    '',
    '| code | name | what happened | what to do |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    '## Codes of refused requests',
    '',
    'The body of every answer that is not a success is',
    '`{"code", "message", "status", "errors": [{"code", "message", "context"}]}`; `context` is a',
    'JSONPath into the request, one item for each fault found, up to 100.',
    '',
    '| code | status | when |',
    '| --- | --- | --- |',
    ...REQUESTS.map(([code, status, when]) => `| ${code} | ${status} | ${when} |`),
    '',
    'Any other status has the code 20000 + status. `X-Request-Id` of the answer finds the request',
    'in the log.',
  ].join('\n')}\n`;
}

const REQUESTS = [
  [70002, 400, 'The request breaks the contract; `errors` names every fault.'],
  [20003, 401, 'Account id or auth token, or API key or its secret, is missing or wrong.'],
  [20403, 403, 'The API key lacks the scope that the endpoint needs.'],
  [20404, 404, 'There is no such resource in this account, or no such path.'],
  [20409, 409, 'A limit is reached, or the state of the resource does not allow it.'],
  [20413, 413, 'The body is larger than 10 MB.'],
  [20415, 415, 'The body is not `application/json`.'],
  [20422, 422, 'The `Idempotency-Key` was used for another request.'],
  [
    20429,
    429,
    'The API key or auth token has used up its requests or recipients of this second. `Retry-After` says when to go on.',
  ],
  [20500, 500, 'Our fault. The log has the details under the request id.'],
  [
    20503,
    503,
    'PostgreSQL cannot take the request now; nothing was written, unless the connection broke while the commit was answered. `Retry-After` says when to repeat it.',
  ],
] as const;
