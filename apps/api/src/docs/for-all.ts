import type { OpenAPIObject } from '@nestjs/swagger';
import { answer } from '../errors/answer.js';

type PathItem = OpenAPIObject['paths'][string];
type Operation = NonNullable<PathItem['get']>;
type Header = NonNullable<NonNullable<OpenAPIObject['components']>['headers']>[string];

const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const;

const HEADERS = {
  'X-Request-Id': {
    description: "Finds the request in the log; the caller's own when it has a sane form.",
    required: true,
    schema: { type: 'string' },
  },
  Location: {
    description: 'Where to look at what was made or changed.',
    required: true,
    schema: { type: 'string', format: 'uri' },
  },
  'Retry-After': {
    description: 'Seconds until the request is worth repeating.',
    required: true,
    schema: { type: 'integer', minimum: 1 },
  },
  'WWW-Authenticate': {
    description: 'The Basic scheme.',
    required: true,
    schema: { type: 'string' },
  },
  'Idempotent-Replayed': {
    description: '`true`: this is the answer to an earlier request under the same key.',
    schema: { type: 'string', enum: ['true'] },
  },
} satisfies Record<string, Header>;

type HeaderName = keyof typeof HEADERS;

/** Failures that may meet every request of a kind, before its endpoint sees it. */
const PROBES_TOO = { '431': 'The URL and the headers are larger than 16 KB.' };
const ALWAYS = { ...PROBES_TOO, '500': 'Our fault; the log has the details.' };
const WITH_BODY = {
  '413': 'The body is larger than 10 MB.',
  '415': 'The body is not `application/json`.',
};

/**
 * Adds what is true of all answers of a kind, so that no endpoint need repeat it: failures that come
 * before the endpoint, and headers.
 */
export function documentWhatGoesForAll(document: OpenAPIObject): OpenAPIObject {
  document.components = { ...document.components, headers: HEADERS };
  delete document.components.schemas?.['NoBody'];
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (operation === undefined) continue;
      dropNoBody(operation);
      addFailures(operation, method);
      addHeaders(operation);
      addExamples(operation);
    }
  }
  return document;
}

/** Who takes no body checks that with a schema like all others; to a caller there is just none. */
function dropNoBody(operation: Operation): void {
  if (JSON.stringify(operation.requestBody)?.includes('#/components/schemas/NoBody"')) {
    delete operation.requestBody;
  }
}

/** Probes need no scope and answer in a form of their own. */
function isPartOfTheContract(operation: Operation): boolean {
  return 'x-scope' in operation;
}

function addFailures(operation: Operation, method: (typeof METHODS)[number]): void {
  const failures = isPartOfTheContract(operation)
    ? { ...ALWAYS, ...(method === 'get' ? {} : WITH_BODY) }
    : PROBES_TOO;
  for (const [status, description] of Object.entries(failures)) {
    operation.responses[status] ??= {
      description,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
    };
  }
}

function addHeaders(operation: Operation): void {
  for (const [status, response] of Object.entries(operation.responses)) {
    if (response === undefined || '$ref' in response) continue;
    const names = headersOf(status, operation);
    response.headers = {
      ...response.headers,
      ...Object.fromEntries(
        names.map((name) => [name, { $ref: `#/components/headers/${name}` }] as const),
      ),
    };
  }
}

/** What each failure looks like; a 400 is the example of the schema itself. */
function addExamples(operation: Operation): void {
  for (const [status, response] of Object.entries(operation.responses)) {
    if (response === undefined || '$ref' in response || Number(status) <= 400) continue;
    const content = response.content?.['application/json'];
    if (JSON.stringify(content?.schema) !== ERROR || content === undefined) continue;
    content.example = answer(Number(status), response.description).body;
  }
}

const ERROR = JSON.stringify({ $ref: '#/components/schemas/Error' });

function headersOf(status: string, operation: Operation): HeaderName[] {
  const names: HeaderName[] = ['X-Request-Id'];
  if (status === '201' || status === '202') names.push('Location');
  if (status === '401') names.push('WWW-Authenticate');
  if (['429', '503'].includes(status) && isPartOfTheContract(operation)) names.push('Retry-After');
  if (status === '202' && '422' in operation.responses) names.push('Idempotent-Replayed');
  return names;
}
