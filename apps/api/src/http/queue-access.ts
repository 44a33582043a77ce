import type { QueueConnection } from '@app/queue';

/**
 * The api's connection to the queue, made when it is first needed: nothing that a 202 promises needs the
 * queue, so an api starts and accepts without it.
 */
export class QueueAccess {
  private connection: Promise<QueueConnection> | undefined;

  constructor(private readonly connect: () => Promise<QueueConnection>) {}

  /** @throws when it cannot be reached; the next one who asks tries again. */
  async get(): Promise<QueueConnection> {
    this.connection ??= this.connect().catch((error: unknown) => {
      this.connection = undefined;
      throw error;
    });
    return this.connection;
  }

  async close(): Promise<void> {
    const connection = await this.connection?.catch(() => undefined);
    this.connection = undefined;
    await connection?.close();
  }
}
