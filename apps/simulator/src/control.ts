import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { behaviourChangeSchema, type Behaviour, type ServerName } from './behaviour.js';
import type { ReadyCredentials } from './credentials.js';
import type { Ledger, LedgerEntry } from './ledger.js';
import type { ConnectionCounts } from './provider-server.js';
import type { z } from 'zod';

/** What the control port can do; `startSimulator` has the same for tests in the same process. */
export interface Controls {
  ledger: Ledger;
  credentials(name?: string): Promise<ReadyCredentials>;
  behaviour(): Behaviour;
  behave(change: z.output<typeof behaviourChangeSchema>): Behaviour;
  resetBehaviour(): Behaviour;
  connections(): Record<ServerName, ConnectionCounts>;
  mints(): number;
  /** Every counted token behaviour begins again. */
  clear(): void;
  forgetAccessTokens(): void;
  forgetProviderTokens(): void;
}

class BadRequest extends Error {}

const MAX_BODY = 65_536;

/** The plain-HTTP control port. */
export function createControlServer(controls: Controls): Server {
  return createServer((request, response) => {
    route(controls, request, response).catch((error: unknown) => {
      if (response.headersSent) {
        response.destroy();
        return;
      }
      const message = error instanceof Error ? error.message : String(error);
      const wrong = error instanceof BadRequest || error instanceof RangeError;
      send(response, wrong ? 400 : 500, { error: message });
    });
  });
}

async function route(
  controls: Controls,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://control');
  const query = url.searchParams;
  switch (`${request.method ?? ''} ${url.pathname}`) {
    case 'GET /health':
      return send(response, 200, { ok: true });
    case 'GET /credentials':
      return send(response, 200, await controls.credentials(query.get('name') ?? undefined));
    case 'GET /ledger':
      return send(response, 200, { entries: entries(controls.ledger, query) });
    case 'GET /ledger/summary':
      return send(response, 200, summary(controls));
    case 'GET /ledger/accepted':
      return streamAccepted(controls.ledger, response);
    case 'DELETE /ledger':
      controls.clear();
      return send(response, 200, summary(controls));
    case 'GET /connections':
      return send(response, 200, controls.connections());
    case 'GET /usage':
      return send(response, 200, usage());
    case 'GET /behaviour':
      return send(response, 200, controls.behaviour());
    case 'PUT /behaviour':
      return send(response, 200, controls.behave(change(await readJson(request))));
    case 'DELETE /behaviour':
      return send(response, 200, controls.resetBehaviour());
    case 'DELETE /tokens/access':
      controls.forgetAccessTokens();
      return send(response, 200, {});
    case 'DELETE /tokens/provider':
      controls.forgetProviderTokens();
      return send(response, 200, {});
    default:
      return send(response, 404, { error: 'No such control; see docs/simulator.md' });
  }
}

function entries(ledger: Ledger, query: URLSearchParams): unknown[] {
  const limit = Number(query.get('limit') ?? 1_000);
  if (!Number.isInteger(limit) || limit < 1) throw new BadRequest('limit: a whole number from 1');
  const token = query.get('token');
  const id = query.get('id');
  const filter = { ...(token !== null && { token }), ...(id !== null && { id }) };
  return ledger.find(filter, limit).map(show);
}

/** With the instant readable, and without the bearer that came with it. */
function show(entry: LedgerEntry): unknown {
  const { request } = entry;
  if (request === null) return { ...entry, at: new Date(entry.at).toISOString() };
  const { authorization, ...headers } = request.headers;
  const kept = authorization === undefined ? headers : { ...headers, authorization: '…' };
  return {
    ...entry,
    at: new Date(entry.at).toISOString(),
    request: { headers: kept, body: request.body },
  };
}

function summary(controls: Controls): unknown {
  let connections = 0;
  let openConnections = 0;
  for (const { opened, open } of Object.values(controls.connections())) {
    connections += opened;
    openConnections += open.length;
  }
  const mints = controls.mints();
  return { ...controls.ledger.summary(), connections, openConnections, mints };
}

/** What the process has taken so far: a measurement must be able to leave the simulator out. */
function usage(): unknown {
  const { user, system } = process.cpuUsage();
  return { cpuMs: (user + system) / 1_000, residentBytes: process.memoryUsage.rss() };
}

/** A line an accepted request, oldest first: `["fcm","<token>","<id>"]`, the id null if unknown. */
async function streamAccepted(ledger: Ledger, response: ServerResponse): Promise<void> {
  const { forgotten } = ledger.summary();
  response.writeHead(200, {
    'content-type': 'application/x-ndjson',
    'x-forgotten': String(forgotten),
  });
  await pipeline(Readable.from(acceptedLines(ledger)), response);
}

function* acceptedLines(ledger: Ledger): Generator<string> {
  let lines = '';
  for (const { accepted, provider, token, id } of ledger.all()) {
    if (!accepted) continue;
    lines += `${JSON.stringify([provider, token, id])}\n`;
    if (lines.length > 65_536) {
      yield lines;
      lines = '';
    }
  }
  if (lines !== '') yield lines;
}

function change(value: unknown): z.output<typeof behaviourChangeSchema> {
  const parsed = behaviourChangeSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new BadRequest(faults.join('; '));
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_BODY) throw new BadRequest('the body is too long');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new BadRequest('the body is not JSON');
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}
