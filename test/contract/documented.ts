import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { AnySchema, ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Json } from '../../scripts/types.js';

/** An endpoint as `openapi.json` has it. */
export interface Endpoint {
  method: string;
  /** With its parameters in braces. */
  path: string;
  operation: Json;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Json;
}

export const openApi = JSON.parse(
  readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8'),
);

/** All of the document, fixed paths before those with parameters, as the router has them. */
export const ENDPOINTS: readonly Endpoint[] = Object.entries<Json>(openApi.paths)
  .flatMap(([path, operations]) =>
    Object.entries<Json>(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  )
  .sort((a, b) => rank(a).localeCompare(rank(b)));

function rank({ path }: Endpoint): string {
  return path.replaceAll(/\{[^}]*\}/g, '\uffff');
}

/**
 * For tests that use up what they are given. Looks first, then commands, then ends: a push's before its
 * operation's, which leave nothing to do. A user outlives its registration, and an App not its credential.
 */
export function lifeCycleRank({ method, path }: Endpoint): number {
  const order = ['{pushNotificationId}', 'Operations', 'Users', 'Credentials'];
  const place = order.findIndex((word) => path.includes(word));
  if (method === 'DELETE') return 20 + place;
  return path.endsWith('/Redrive') ? 10 + place : 0;
}

/** Answers 503 where no worker runs, as in all tests of the contract. */
export const NEEDS_WORKER = new Set(['checkCredential']);

const ajv = new Ajv2020({ allErrors: true, strictTypes: false });
addFormats.default(ajv);
ajv.addVocabulary(['example', ...Object.keys(openApi)]);
ajv.addSchema(openApi as AnySchema, 'openapi.json');
const validators = new Map<string, ValidateFunction>();

/** @param pointer of a schema in the document. @returns what is wrong with the value. */
function faultsOf(pointer: string, value: unknown): string[] {
  let validate = validators.get(pointer);
  if (validate === undefined) {
    validate = ajv.compile({ $ref: `openapi.json#${pointer}` });
    validators.set(pointer, validate);
  }
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

const pointerTo = (...segments: string[]) =>
  segments.map((each) => `/${each.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** The endpoint that a request goes to, an id may be empty; undefined when the document has none. */
export function endpointOf(method: string, path: string): Endpoint | undefined {
  const segments = path.split('/');
  return ENDPOINTS.find((endpoint) => {
    const expected = endpoint.path.split('/');
    return (
      endpoint.method === method &&
      expected.length === segments.length &&
      expected.every((each, at) => each.startsWith('{') || each === segments[at])
    );
  });
}

/**
 * Holds an answer of `/v1` or `/health` against `openapi.json`: its status is documented, its body and
 * headers fit. Where the document has no endpoint the only answer is 404.
 *
 * @throws Error that says what does not fit.
 */
export function checkDocumented(method: string, path: string, answer: Answer): void {
  const faults = undocumented(method, path, answer);
  if (faults.length === 0) return;
  throw new Error(
    `${method} ${path} answered outside openapi.json:\n${faults.join('\n')}\n` +
      `${answer.status} ${JSON.stringify(answer.body).slice(0, 2_000)}`,
  );
}

function undocumented(method: string, path: string, { status, headers, body }: Answer): string[] {
  if (!/^\/(v1|health)\//.test(path)) return [];
  const type = headers.get('content-type');
  if (type !== 'application/json; charset=utf-8') return [`content-type is ${type}`];
  const endpoint = endpointOf(method, path);
  if (endpoint === undefined) {
    if (status !== 404) return [`${status} where there is no endpoint`];
    const faults = faultsOf('/components/schemas/Error', body);
    return faults.length > 0
      ? faults
      : [...headerFaults(['X-Request-Id'], headers), ...errorFaults(status, body)];
  }
  const response: Json = endpoint.operation.responses[String(status)];
  if (response === undefined) return [`status ${status} is not documented`];
  const place = pointerTo('paths', endpoint.path, method.toLowerCase(), 'responses', `${status}`);
  const faults = faultsOf(`${place}${pointerTo('content', 'application/json', 'schema')}`, body);
  if (faults.length > 0) return faults;
  return [
    ...headerFaults(Object.keys(response.headers ?? {}), headers),
    ...(path.startsWith('/v1/') && status >= 400 ? errorFaults(status, body) : []),
    ...locationFaults(status, headers, body),
  ];
}

function headerFaults(names: string[], headers: Headers): string[] {
  return names.flatMap((name) => {
    const { required = false, schema } = openApi.components.headers[name];
    const text = headers.get(name);
    if (text === null) return required ? [`${name} is missing`] : [];
    const value = schema.type === 'integer' ? Number(text) : text;
    const faults = faultsOf(pointerTo('components', 'headers', name, 'schema'), value);
    return faults.map((fault) => `${name}:${fault}`);
  });
}

/** The codes of contract.md follow the status; each fault has the code of the whole. */
function errorFaults(status: number, { code, status: said, errors }: Json): string[] {
  const expected = { 400: 70002, 401: 20003 }[status] ?? 20_000 + status;
  return said === status &&
    code === expected &&
    errors.length <= 100 &&
    errors.every((fault: Json) => fault.code === code)
    ? []
    : [`code ${code} and status ${said} with a ${status}`];
}

/** What was made or changed is where the answer says, in head and body alike. */
function locationFaults(status: number, headers: Headers, body: Json): string[] {
  if (status !== 202) return [];
  const [id, location] =
    'operationId' in body
      ? [body.operationId, body.operationLocation]
      : [body.resourceId, body.resourceLocation];
  return headers.get('location') === location && new URL(location).pathname.endsWith(`/${id}`)
    ? []
    : [`Location ${headers.get('location')} for ${JSON.stringify(body)}`];
}
