import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { Json } from '../../scripts/types.js';
import type { Endpoint } from './documented.js';
import { hostileJson, hostileText, mutated } from './hostile-values.js';
import type { RawRequest } from './raw-request.js';
import { validValue } from './valid-values.js';
import type { KnownIds } from './valid-values.js';

export interface Callers {
  /** Authorization headers. */
  owner: string;
  others: readonly string[];
}

/** Requests to an endpoint: good ones, nearly good ones, and hostile ones. */
export function requestsTo(
  endpoint: Endpoint,
  { owner, others }: Callers,
  ids: KnownIds,
  goodBodies: readonly unknown[],
): Arbitrary<RawRequest> {
  const { method, operation } = endpoint;
  return fc
    .record({
      path: pathTo(endpoint, ids),
      query: query(operation.parameters ?? [], ids),
      authorization: fc.oneof(
        { weight: 30, arbitrary: fc.constant(owner) },
        { weight: 1, arbitrary: fc.constantFrom(...others) },
      ),
      more: hostileHeaders,
      type: contentType,
      body: method === 'GET' ? fc.constant(undefined) : bodyOf(operation, ids, goodBodies),
    })
    .map(({ path, query, authorization, more, type, body }) => ({
      method,
      path: `${path}${query}`,
      headers: {
        authorization,
        ...more,
        ...(type === undefined ? {} : { 'content-type': type }),
      },
      body,
    }));
}

/** One that is in order: with the id and the body given. */
export function goodRequest(
  { method, path, operation }: Endpoint,
  { owner }: Callers,
  id: string | undefined,
  body: unknown,
  query: string,
): RawRequest {
  const text = operation.requestBody === undefined ? undefined : JSON.stringify(body);
  return {
    method,
    path: path.replace(/\{\w+\}/, () => id ?? '') + query,
    headers: {
      authorization: owner,
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: text,
  };
}

const byChance = <A, B>(weight: number, common: Arbitrary<A>, rare: Arbitrary<B>) =>
  fc.oneof<
    [{ weight: number; arbitrary: Arbitrary<A> }, { weight: number; arbitrary: Arbitrary<B> }]
  >({ weight, arbitrary: common }, { weight: 1, arbitrary: rare });

/** Text of a URL: percent-encoded, now and then wrongly or not at all. */
const urlText = (text: Arbitrary<string>): Arbitrary<string> =>
  byChance(
    12,
    text.map((value) => encodeURIComponent(value.toWellFormed())),
    fc.constantFrom('%', '%z', '%00', '%ff', '%ed%a0%80', '+', '%2F', '%252F', "'<>", ',', '=', ''),
  );

function pathTo({ path, operation }: Endpoint, ids: KnownIds): Arbitrary<string> {
  const parameters: Json[] = (operation.parameters ?? []).filter(
    (each: Json) => each.in === 'path',
  );
  return fc
    .tuple(
      ...parameters.map(({ name }) => {
        const known = ids[`{${name}}`] ?? [];
        return byChance(6, fc.constantFrom(...known), urlText(hostileText));
      }),
    )
    .map((values) =>
      parameters.reduce(
        (text: string, { name }, at) => text.replace(`{${name}}`, () => values[at]!),
        path,
      ),
    );
}

function query(parameters: Json[], ids: KnownIds): Arbitrary<string> {
  const documented = parameters.filter((each) => each.in === 'query');
  const unknown = fc.tuple(
    fc.constantFrom('unheardOf', '__proto__', 'constructor', 'pageSize[]', 'to[0][token]'),
    urlText(hostileText),
  );
  const pairs = documented.map(({ name, schema }) =>
    fc.tuple(
      fc.constant(name as string),
      byChance(
        4,
        validValue(schema, ids).map((value) => encodeURIComponent(String(value).toWellFormed())),
        urlText(hostileText),
      ),
    ),
  );
  const pair = pairs.length === 0 ? unknown : byChance(30, fc.oneof(...pairs), unknown);
  // Rarely any where none is taken, and now and then one twice.
  return byChance(
    pairs.length === 0 ? 12 : 1,
    fc.constant([]),
    fc.array(pair, { minLength: 1, maxLength: 3 }),
  ).map((all) =>
    all.length === 0 ? '' : `?${all.map(([name, text]) => `${name}=${text}`).join('&')}`,
  );
}

const hostileHeaders = byChance(
  10,
  fc.constant({}),
  fc.record(
    {
      'idempotency-key': fc.constantFrom('a', '', 'x'.repeat(300), 'é', ' ', "'", '\u00ff'),
      'x-request-id': fc.constantFrom('ok-1', 'a b', 'x'.repeat(500), '{}'),
      'content-encoding': fc.constantFrom('gzip', 'identity', 'nope'),
      accept: fc.constantFrom('text/html', 'x', '*/*;q=0'),
      'x-http-method-override': fc.constant('DELETE'),
    },
    { requiredKeys: [] },
  ),
);

const contentType = byChance(
  20,
  fc.constant<string | undefined>('application/json'),
  fc.constantFrom(
    ...[
      undefined,
      'text/plain',
      'application/json; charset=utf-16',
      'application/json;',
      'APPLICATION/JSON',
    ],
    ...['multipart/form-data', 'application/jsonx', '*/*', ',', '', 'application/json, text/plain'],
  ),
);

/** As text, so that it may hold what JavaScript's values cannot. */
function bodyOf(
  { requestBody }: Json,
  ids: KnownIds,
  goodBodies: readonly unknown[],
): Arbitrary<string | undefined> {
  const schema: Json = requestBody?.content['application/json'].schema;
  // Where no body is taken, few bring one.
  if (schema === undefined) return byChance(6, fc.constant(undefined), hostileJson);
  const valid = validValue(schema, ids);
  const good = goodBodies.length === 0 ? valid : fc.constantFrom(...goodBodies);
  return fc.oneof(
    { weight: 3, arbitrary: fc.oneof(valid, good).map((value) => JSON.stringify(value)) },
    {
      weight: 6,
      arbitrary: mutated(fc.oneof(valid, good)).map((value) => JSON.stringify(value) ?? ''),
    },
    { weight: 1, arbitrary: hostileJson },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
}
