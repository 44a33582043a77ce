import pg from 'pg';
import type { Database } from './database.js';

const CHANNEL = 'fanfare_dispatch';

/** Tells the dispatchers that there is work. A hint only: they look for themselves every second. */
export class DispatchSignal {
  private sending = false;
  private again = false;

  constructor(private readonly db: Database) {}

  /** Fire and forget; while one NOTIFY is on its way, all further calls become one. */
  notify(): void {
    if (this.sending) {
      this.again = true;
      return;
    }
    this.sending = true;
    this.db.pool
      .query(`NOTIFY ${CHANNEL}`)
      // Lost: the dispatchers' own timer finds the work.
      .catch(() => undefined)
      .finally(() => {
        this.sending = false;
        if (this.again) {
          this.again = false;
          this.notify();
        }
      });
  }
}

/**
 * Listens on a connection of its own and calls `onSignal` for each NOTIFY, and once after each
 * (re)connection, since signals in between are lost.
 */
export class DispatchListener {
  private client: pg.Client | undefined;
  private retry: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly url: string,
    private readonly onSignal: () => void,
    private readonly reconnectMs = 500,
  ) {}

  async start(): Promise<void> {
    if (this.stopped) return;
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'fanfare-dispatch-listener',
      keepAlive: true,
    });
    client.on('notification', this.onSignal);
    client.on('error', () => this.lost(client));
    client.on('end', () => this.lost(client));
    this.client = client;
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      this.onSignal();
    } catch {
      this.lost(client);
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.retry);
    await this.client?.end().catch(() => undefined);
  }

  private lost(client: pg.Client): void {
    if (this.stopped || this.client !== client) return;
    this.client = undefined;
    client.end().catch(() => undefined);
    this.retry = setTimeout(() => void this.start(), this.reconnectMs);
  }
}
