import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createSecureContext, createServer } from 'node:tls';
import type { SecureContext, Server, TLSSocket } from 'node:tls';
import { makeCertificate } from './certificates.js';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const FRAME = { data: 0, headers: 1, rst: 3, settings: 4, ping: 6 } as const;
const END_STREAM = 1;
const END_HEADERS = 4;
const ACK = 1;

/** What a peer made of frames can say on one stream. */
export interface RawStream {
  id: number;
  /** HEADERS with `:status: 200`, the stream stays open. */
  head200(): void;
  data(text: string): void;
  reset(code: number): void;
  /** Ends the connection in order, without a word on HTTP/2's level. */
  end(): void;
}

/** An HTTP/2 server that writes frames by hand, to say what Node's own server never would. */
export class RawPeer {
  private readonly sockets = new Set<TLSSocket>();

  private constructor(
    private readonly server: Server,
    readonly origin: string,
    readonly secureContext: SecureContext,
  ) {}

  /** @param onRequest called when a request has ended. */
  static async start(onRequest: (stream: RawStream) => void): Promise<RawPeer> {
    const identity = await makeCertificate();
    const server = createServer({
      cert: identity.certificate,
      key: identity.privateKey,
      ALPNProtocols: ['h2'],
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const origin = `https://localhost:${(server.address() as AddressInfo).port}`;
    const secureContext = createSecureContext({ ca: identity.certificate });
    const peer = new RawPeer(server, origin, secureContext);
    server.on('secureConnection', (socket) => {
      peer.sockets.add(socket);
      socket.on('error', () => {});
      speak(socket, onRequest);
    });
    return peer;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

function speak(socket: TLSSocket, onRequest: (stream: RawStream) => void): void {
  let buffered = Buffer.alloc(0);
  let begun = false;
  socket.write(frame(FRAME.settings, 0, 0, Buffer.alloc(0)));
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk]);
    if (!begun) {
      if (buffered.length < PREFACE.length) return;
      buffered = buffered.subarray(PREFACE.length);
      begun = true;
    }
    for (;;) {
      if (buffered.length < 9) return;
      const length = buffered.readUIntBE(0, 3);
      if (buffered.length < 9 + length) return;
      const [type, flags] = [buffered[3], buffered[4] ?? 0];
      const id = buffered.readUInt32BE(5) & 0x7fffffff;
      const payload = buffered.subarray(9, 9 + length);
      buffered = buffered.subarray(9 + length);
      if (type === FRAME.settings && (flags & ACK) === 0) {
        socket.write(frame(FRAME.settings, ACK, 0, Buffer.alloc(0)));
      } else if (type === FRAME.ping && (flags & ACK) === 0) {
        socket.write(frame(FRAME.ping, ACK, 0, payload));
      } else if ((type === FRAME.data || type === FRAME.headers) && (flags & END_STREAM) !== 0) {
        onRequest(streamOn(socket, id));
      }
    }
  });
}

function streamOn(socket: TLSSocket, id: number): RawStream {
  return {
    id,
    // 0x88 is `:status: 200` of HPACK's static table.
    head200: () => socket.write(frame(FRAME.headers, END_HEADERS, id, Buffer.from([0x88]))),
    data: (text) => socket.write(frame(FRAME.data, 0, id, Buffer.from(text))),
    reset: (code) => {
      const payload = Buffer.alloc(4);
      payload.writeUInt32BE(code);
      socket.write(frame(FRAME.rst, 0, id, payload));
    },
    end: () => socket.end(),
  };
}

function frame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}
