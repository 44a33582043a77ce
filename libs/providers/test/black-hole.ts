import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** A TCP relay in front of a server that can stop relaying while every connection stays open. */
export class BlackHole {
  private readonly sockets = new Set<Socket>();
  private readonly pairs: [Socket, Socket][] = [];

  private constructor(
    private readonly server: Server,
    readonly origin: string,
  ) {}

  static async start(targetPort: number): Promise<BlackHole> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const hole = new BlackHole(server, `https://localhost:${port}`);
    server.on('connection', (inside) => {
      const outside = connect(targetPort, '127.0.0.1');
      for (const [socket, other] of [
        [inside, outside],
        [outside, inside],
      ] as const) {
        hole.sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          hole.sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
      hole.pairs.push([inside, outside]);
    });
    return hole;
  }

  /** From now on nothing passes on the connections that are there; new ones work. */
  swallow(): void {
    for (const [inside, outside] of this.pairs.splice(0)) {
      inside.unpipe(outside).pause();
      outside.unpipe(inside).pause();
    }
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
