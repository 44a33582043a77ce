import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect, createServer } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openStream } from './open-stream.js';

const GET = [':method', 'GET', ':path', '/', ':scheme', 'http', ':authority', 'localhost'];

describe('openStream', () => {
  const server = createServer();
  let session: ClientHttp2Session;

  server.on('stream', (stream) => {
    stream.respond({ ':status': 200 }, { endStream: true });
  });

  beforeEach(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });

  afterEach(async () => {
    session.destroy();
    server.close();
    await once(server, 'close');
  });

  it('leaves `bind` as it was, also when the request throws', async () => {
    await once(session, 'connect');
    const before = Object.getOwnPropertyDescriptor(AsyncResource.prototype, 'bind')?.value;
    openStream(session, GET).end();
    expect(AsyncResource.prototype).toHaveProperty('bind', before);
    expect(() => openStream(session, [':nonsense', 'x'])).toThrow('invalid');
    expect(AsyncResource.prototype).toHaveProperty('bind', before);
    expect(new AsyncResource('test').bind(() => 'bound')()).toBe('bound');
  });

  it('keeps the scope of its caller where the connection is not there yet', async () => {
    const scope = new AsyncLocalStorage<string>();
    const seen = scope.run('the caller’s', () => {
      const stream = openStream(session, GET);
      stream.end();
      return new Promise((resolve) => {
        stream.on('ready', () => resolve(scope.getStore()));
      });
    });
    expect(await seen).toBe('the caller’s');
  });

  it('spares each request the `bind` that Node calls for it', async () => {
    await once(session, 'connect');
    const { prototype } = AsyncResource;
    const own = Object.getOwnPropertyDescriptor(prototype, 'bind')?.value as typeof prototype.bind;
    let calls = 0;
    prototype.bind = function (this: AsyncResource, ...args: Parameters<typeof own>) {
      calls++;
      return own.apply(this, args);
    } as typeof own;
    try {
      session.request(GET, { endStream: false }).end();
      // Otherwise this Node does not do what `openStream` is there for.
      expect(calls).toBeGreaterThan(0);
      calls = 0;
      openStream(session, GET).end();
      expect(calls).toBe(0);
    } finally {
      prototype.bind = own;
    }
  });

  it('binds for whoever is told of the request as Node does', async () => {
    await once(session, 'connect');
    const bound: (() => unknown)[] = [];
    const self = function (this: unknown) {
      return this;
    };
    const told = () => {
      bound.push(
        AsyncResource.bind(self, 'test', 'given'),
        AsyncResource.bind(self, 'test', null),
        AsyncResource.bind(self, 'test'),
      );
    };
    subscribe('http2.client.stream.created', told);
    try {
      session.request(GET).end();
      openStream(session, GET).end();
    } finally {
      unsubscribe('http2.client.stream.created', told);
    }
    const caller = { name: 'caller' };
    const seen = bound.map((one): unknown => one.call(caller));
    expect(seen).toEqual(['given', null, caller, 'given', null, caller]);
  });
});
