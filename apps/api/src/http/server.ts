import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { LIMITS, WORK_LIMITS } from '@app/contract';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { answer, answerOf } from '../errors/answer.js';
import type { Leaving } from './leaving.js';
import { requestId } from './request-id.js';

/** A request must have arrived by then; it keeps slow senders from piling up. */
const REQUEST_TIMEOUT_MS = 120_000;

/** While we stop, a connection that has not asked for anything has so long to begin. */
const SILENT_MS = 1_000;

/** Fastify as the contract wants it: JSON up to 10 MB, request ids, our own error bodies. */
export function createAdapter(leaving: Leaving): FastifyAdapter {
  const adapter = new FastifyAdapter({
    bodyLimit: LIMITS.bodyBytes.max,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { maxHeaderSize: WORK_LIMITS.headerBytes },
    genReqId: requestId,
    // A request on a kept-alive connection that comes while we stop is still served.
    return503OnClosing: false,
    // Longer than any request line: an over-long id is an unknown id, 404.
    routerOptions: { maxParamLength: 65_536 },
    clientErrorHandler: answerClientError,
    // Called before routing is done, so without hooks and filters.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      const { status, body } = answerOf(error);
      if (leaving.hasBegun) void reply.header('connection', 'close');
      void reply.status(status).header('x-request-id', request.id).send(body);
    },
  });
  const fastify = adapter.getInstance();
  takeJsonOnly(fastify);
  fastify.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
  });
  // So that its caller asks another process next. A kept-alive connection would also hold the stop up until it times out.
  fastify.addHook('onSend', async (_request, reply) => {
    if (leaving.hasBegun) void reply.header('connection', 'close');
  });
  endSilentConnections(fastify);
  return adapter;
}

/**
 * A connection that was opened ahead and has not asked for anything yet is a busy one to Node: it would hold a stop up
 * until its request times out.
 */
function endSilentConnections(fastify: FastifyInstance): void {
  const silent = new Set<Socket>();
  fastify.server.on('connection', (socket: Socket) => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  fastify.server.on('request', ({ socket }: IncomingMessage) => void silent.delete(socket));
  fastify.addHook('preClose', async () => {
    setTimeout(() => {
      for (const socket of silent) socket.destroy();
    }, SILENT_MS).unref();
  });
}

/**
 * Fastify would take text as well, and no JSON of no length: but many clients name the media type with
 * every request. Where a body is needed its schema says that there is none.
 */
function takeJsonOnly(fastify: FastifyInstance): void {
  fastify.removeContentTypeParser(['application/json', 'text/plain']);
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    (request, body, done) => {
      if (body === '') done(null, undefined);
      else void parse(request, body, done);
    },
  );
}

/** Node could not even read the request; there is no reply object, only the socket. */
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy(error);
    return;
  }
  const { status, body } = answer(
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 431
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 408
        : 400,
    error.code?.startsWith('HPE_') === true && error.code !== 'HPE_HEADER_OVERFLOW'
      ? 'This is not HTTP.'
      : undefined,
  );
  const text = JSON.stringify(body);
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      'content-type: application/json; charset=utf-8',
      `content-length: ${Buffer.byteLength(text)}`,
      `x-request-id: ${randomUUID()}`,
      'connection: close',
      '',
      text,
    ].join('\r\n'),
  );
}
