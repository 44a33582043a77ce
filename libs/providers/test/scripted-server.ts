import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import type {
  Http2SecureServer,
  IncomingHttpHeaders,
  SecureServerOptions,
  ServerHttp2Session,
  ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { makeCertificate } from './certificates.js';

/** What the server does with a request once its body is here. */
export type Script = (request: ScriptedRequest) => void;

export interface ScriptedRequest {
  stream: ServerHttp2Stream;
  session: ServerHttp2Session;
  headers: IncomingHttpHeaders;
  body: string;
  /** Counts from 0 over the life of the server. */
  index: number;
}

export const ok: Script = ({ stream }) => {
  if (stream.destroyed) return;
  stream.respond({ ':status': 200 });
  stream.end();
};

/** An HTTP/2 + TLS server that does to each request what the test says. */
export class ScriptedServer {
  script: Script = ok;
  readonly sessions: ServerHttp2Session[] = [];
  readonly sockets = new Set<Socket>();
  requests = 0;
  /** Most streams that were open on one session at once. */
  mostConcurrent = 0;

  private constructor(
    private readonly server: Http2SecureServer,
    readonly origin: string,
    /** For the client: trusts this server alone. */
    readonly secureContext: SecureContext,
    readonly certificate: string,
  ) {}

  static async start(options: SecureServerOptions = {}, port = 0): Promise<ScriptedServer> {
    const identity = await identityOnce;
    const server = createSecureServer({
      cert: identity.certificate,
      key: identity.privateKey,
      ...options,
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const origin = `https://localhost:${(server.address() as AddressInfo).port}`;
    const secureContext = createSecureContext({ ca: identity.certificate });
    const scripted = new ScriptedServer(server, origin, secureContext, identity.certificate);
    server.on('connection', (socket: Socket) => {
      scripted.sockets.add(socket);
      socket.on('close', () => scripted.sockets.delete(socket));
    });
    server.on('session', (session) => scripted.watch(session));
    server.on('sessionError', () => {});
    server.on('stream', (stream, headers) => scripted.onStream(stream, headers));
    return scripted;
  }

  get port(): number {
    return Number(new URL(this.origin).port);
  }

  /** Resolves when so many requests have arrived in all. */
  async received(count: number): Promise<void> {
    while (this.requests < count) await once(this.server, 'scripted-request');
  }

  /** Resolves when the n-th session (from 1) is there. */
  async session(nth: number): Promise<ServerHttp2Session> {
    while (this.sessions.length < nth) await once(this.server, 'session');
    return this.sessions[nth - 1] as ServerHttp2Session;
  }

  /** Cuts every connection and gives the port back. */
  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private watch(session: ServerHttp2Session): void {
    this.sessions.push(session);
    session.on('error', () => {});
  }

  private readonly concurrent = new Map<ServerHttp2Session, number>();

  private onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const session = stream.session as ServerHttp2Session;
    const open = (this.concurrent.get(session) ?? 0) + 1;
    this.concurrent.set(session, open);
    this.mostConcurrent = Math.max(this.mostConcurrent, open);
    stream.on('error', () => {});
    stream.on('close', () => this.concurrent.set(session, (this.concurrent.get(session) ?? 1) - 1));
    let body = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => (body += chunk));
    stream.on('end', () => {
      if (stream.destroyed) return;
      const index = this.requests;
      this.requests += 1;
      this.script({ stream, session, headers, body, index });
      this.server.emit('scripted-request');
    });
  }
}

const identityOnce = makeCertificate();
