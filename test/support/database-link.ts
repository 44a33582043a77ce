import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A wire between a process and its database that a test can watch and cut. */
export class DatabaseLink {
  private server: net.Server | undefined;
  private readonly sockets = new Set<Socket>();
  private budget = Infinity;
  private port = 0;
  private target: { host: string; port: number } = { host: '', port: 0 };
  private watched: { text: Buffer; resolve: () => void } | undefined;
  private unanswered: { text: Buffer; resolve: () => void } | undefined;
  private silent = false;

  /** @returns the URL that goes over this wire. */
  async through(url: string): Promise<string> {
    const changed = new URL(url);
    this.target = { host: changed.hostname, port: Number(changed.port) };
    await this.mend();
    changed.hostname = '127.0.0.1';
    changed.port = String(this.port);
    return changed.href;
  }

  /** Breaks every connection; new ones are refused. */
  async cut(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server?.close(() => resolve()));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  /** Cuts as soon as so many more bytes were sent towards the database. */
  cutAfter(bytes: number): void {
    this.budget = bytes;
  }

  /** Resolves when `text` is about to be sent to the database; what holds it never arrives. */
  seen(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.watched = { text: Buffer.from(text), resolve };
    });
  }

  /**
   * The next request that holds `text` arrives, its answer does not: the connection breaks in its
   * place. Resolves when the database has answered.
   */
  loseAnswerTo(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.unanswered = { text: Buffer.from(text), resolve };
    });
  }

  /** Nothing passes any more, on new connections neither, and none of them breaks: as when a firewall forgot them. */
  silence(): void {
    this.silent = true;
    for (const socket of this.sockets) socket.pause();
  }

  /** New connections work again; of those that are there nobody hears any more. */
  endSilence(): void {
    this.silent = false;
  }

  async mend(): Promise<void> {
    this.budget = Infinity;
    this.server = net.createServer((near) => this.join(near));
    await new Promise<void>((resolve) => this.server?.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await this.cut();
  }

  private join(near: Socket): void {
    const far = net.connect(this.target.port, this.target.host);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
    }
    let answered = (chunk: Buffer): void => void near.write(chunk);
    far.on('data', (chunk) => answered(chunk));
    near.on('data', (chunk) => {
      const { unanswered } = this;
      if (unanswered !== undefined && chunk.includes(unanswered.text)) {
        this.unanswered = undefined;
        answered = () => {
          near.destroy();
          unanswered.resolve();
        };
      }
      this.forward(chunk, far);
    });
    if (this.silent) for (const socket of [near, far]) socket.pause();
  }

  private forward(chunk: Buffer, far: Socket): void {
    if (this.watched !== undefined && chunk.includes(this.watched.text)) {
      const { resolve } = this.watched;
      this.watched = undefined;
      resolve();
      return;
    }
    if (chunk.length <= this.budget) far.write(chunk);
    else far.write(chunk.subarray(0, this.budget));
    this.budget -= chunk.length;
    if (this.budget <= 0) void this.cut();
  }
}
