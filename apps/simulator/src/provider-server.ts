import { createServer as createHttp1Server, type Server as Http1Server } from 'node:http';
import { performServerHandshake } from 'node:http2';
import { createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type Server as TlsServer,
  type TLSSocket,
} from 'node:tls';
import type { ServerBehaviour, ServerName } from './behaviour.js';
import type { KeyedCertificate } from './certificates.js';
import { Connection } from './connection.js';
import { type Exchange, Http1Exchange, Http2Exchange } from './exchange.js';

export interface ProviderServerOptions {
  name: ServerName;
  identity: KeyedCertificate;
  /** PEM: who signs client certificates. */
  authority: string;
  /** Google speaks HTTP/1.1 too, Apple does not. */
  http1: boolean;
  /** APNs asks for a client certificate, and begins with one stream. */
  apns: boolean;
  behaviour: ServerBehaviour;
  handle: (exchange: Exchange) => void;
}

export interface ConnectionCounts {
  /** Since the start. */
  opened: number;
  open: {
    protocol: string;
    openedAt: string;
    requests: number;
    active: number;
    /** Most requests under way at once. */
    peak: number;
  }[];
}

/**
 * A TLS server that speaks HTTP/2 and, where asked, HTTP/1.1, chosen by ALPN.
 *
 * It is put together from a TCP, a TLS and an HTTP server instead of `http2.createSecureServer`
 * for two reasons: HTTP/1.1 there would switch on the compatibility layer for HTTP/2 as well, which
 * costs a third of the throughput; and a connection can be refused or made to hang only in front
 * of TLS.
 */
export class ProviderServer {
  private readonly tcp: TcpServer;
  private readonly tls: TlsServer;
  private readonly http1: Http1Server;
  private readonly sockets = new Set<Socket>();
  private readonly connections = new Set<Connection>();
  private readonly bySocket = new WeakMap<object, Connection>();
  private opened = 0;
  private behaviour: ServerBehaviour;

  constructor(private readonly options: ProviderServerOptions) {
    this.behaviour = options.behaviour;
    this.tls = createTlsServer({
      key: options.identity.privateKey,
      cert: options.identity.certificate + options.authority,
      ca: options.authority,
      minVersion: 'TLSv1.2',
      ALPNProtocols: options.http1 ? ['h2', 'http/1.1'] : ['h2'],
      requestCert: options.apns,
      // We judge the certificate ourselves: Apple completes the handshake and answers 403.
      rejectUnauthorized: false,
    });
    this.tls.on('secureConnection', (socket) => {
      this.greet(socket);
    });
    this.tls.on('tlsClientError', (_error, socket) => socket.destroy());
    this.http1 = createHttp1Server((request, response) => {
      const connection = this.bySocket.get(request.socket);
      if (connection === undefined) return;
      connection.begin();
      response.once('close', () => {
        connection.end();
      });
      new Http1Exchange(connection, request, response, options.handle);
    });
    this.tcp = createTcpServer((socket) => {
      this.accept(socket);
    });
  }

  /** @returns the port. Rejects when it is taken. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.tcp.once('error', reject);
      this.tcp.listen(port, host, () => {
        this.tcp.off('error', reject);
        resolve();
      });
    });
    const address = this.tcp.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    return address.port;
  }

  /** Takes effect at once, on open connections too. */
  behave(next: ServerBehaviour): void {
    const before = this.behaviour;
    this.behaviour = next;
    if (next.down) this.cut();
    if (next.blackHole !== before.blackHole) {
      for (const socket of this.sockets) setReading(socket, !next.blackHole);
      // Of who has gone meanwhile not even the end may be left to read.
      if (!next.blackHole) for (const connection of this.connections) connection.probe();
    }
    if (next.maxConcurrentStreams !== before.maxConcurrentStreams) {
      for (const connection of this.connections) {
        if (!this.options.apns || connection.authenticated) {
          connection.allow(next.maxConcurrentStreams);
        }
      }
    }
  }

  count(): ConnectionCounts {
    return {
      opened: this.opened,
      open: Array.from(this.connections, ({ protocol, openedAt, requests, active, peak }) => ({
        protocol,
        openedAt: new Date(openedAt).toISOString(),
        requests,
        active,
        peak,
      })),
    };
  }

  /** Ends every connection and the server. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.tcp.close(() => {
        resolve();
      });
    });
    this.cut();
    await closed;
  }

  private cut(): void {
    for (const connection of this.connections) connection.session?.destroy();
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  private accept(socket: Socket): void {
    // The port stays ours while the server is "down", so nobody else can get it meanwhile.
    if (this.behaviour.down) {
      socket.resetAndDestroy();
      return;
    }
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    socket.on('error', ignore);
    socket.setNoDelay(true);
    this.tls.emit('connection', socket);
    if (this.behaviour.blackHole) setReading(socket, false);
  }

  private greet(socket: TLSSocket): void {
    socket.on('error', ignore);
    this.opened += 1;
    if (socket.alpnProtocol === 'h2') {
      this.serveHttp2(socket);
    } else if (this.options.http1) {
      const connection = this.track(
        new Connection(this.opened, this.options.name, 'http/1.1', socket, undefined),
      );
      socket.once('close', () => this.connections.delete(connection));
      this.bySocket.set(socket, connection);
      this.http1.emit('connection', socket);
    } else {
      socket.destroy();
    }
  }

  private serveHttp2(socket: TLSSocket): void {
    const { apns, handle, name } = this.options;
    const session = performServerHandshake(socket, {
      settings: { maxConcurrentStreams: apns ? 1 : this.behaviour.maxConcurrentStreams },
    });
    const connection = this.track(new Connection(this.opened, name, 'h2', socket, session));
    session.on('error', ignore);
    session.once('close', () => this.connections.delete(connection));
    session.on('stream', (stream, headers) => {
      connection.begin();
      stream.once('close', () => {
        connection.end();
      });
      new Http2Exchange(connection, stream, headers, handle);
    });
  }

  private track(connection: Connection): Connection {
    this.connections.add(connection);
    return connection;
  }
}

/**
 * Stops or starts reading below TLS, where a pause is not noticed by Node's HTTP/2, which reads
 * straight from the handle and would answer PINGs by itself. There is no public way to do that.
 */
function setReading(socket: Socket, reading: boolean): void {
  const { _handle: handle } = socket as unknown as {
    _handle?: { readStart(): number; readStop(): number } | null;
  };
  if (reading) handle?.readStart();
  else handle?.readStop();
}

function ignore(): void {}
