import pg from 'pg';
import type { Database } from './database.js';

const CHANNEL = 'fanfare_dispatch';

/** `work`: pushes wait. `pauses`: a credential was rotated or deleted; where it is paused it may be tried now. */
export type Signal = 'work' | 'pauses';

/** Tells the workers that there is something to do. A hint only: they look for themselves every second. */
export class DispatchSignal {
  private sending = false;
  private readonly waiting = new Set<Signal>();

  constructor(private readonly db: Database) {}

  /** Fire and forget; while one NOTIFY is on its way, all further calls become one. */
  notify(signal: Signal = 'work'): void {
    this.waiting.add(signal);
    if (!this.sending) this.send();
  }

  private send(): void {
    const [signal] = this.waiting;
    this.sending = signal !== undefined;
    if (signal === undefined) return;
    this.waiting.delete(signal);
    this.db.pool
      .query(`NOTIFY ${CHANNEL}, '${signal}'`)
      // Lost: the workers' own timers find the work.
      .catch(() => undefined)
      .finally(() => this.send());
  }
}

/**
 * Listens on a connection of its own and calls `onSignal` for each NOTIFY, and for both after each
 * (re)connection, since signals in between are lost.
 */
export class DispatchListener {
  private client: pg.Client | undefined;
  private retry: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly url: string,
    private readonly onSignal: (signal: Signal) => void,
    private readonly reconnectMs = 500,
  ) {}

  async start(): Promise<void> {
    if (this.stopped) return;
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'fanfare-dispatch-listener',
      keepAlive: true,
    });
    client.on('notification', ({ payload }) =>
      this.onSignal(payload === 'pauses' ? 'pauses' : 'work'),
    );
    client.on('error', () => this.lost(client));
    client.on('end', () => this.lost(client));
    this.client = client;
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      this.onSignal('pauses');
      this.onSignal('work');
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
