import { within } from '@app/platform';
import pg from 'pg';
import { CONNECT_TIMEOUT_MS, type Database } from './database.js';

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

export interface ListenerOptions {
  /** From a lost connection to the next try. */
  reconnectMs?: number;
  /** Between two looks at whether the connection still leads to the server. */
  lookEveryMs?: number;
  /** For a connection, and for the answer to each statement. */
  timeoutMs?: number;
}

/** A server that is there closes the connection within milliseconds. */
const END_TIMEOUT_MS = 1_000;

/**
 * Listens on a connection of its own and calls `onSignal` for each NOTIFY, and for both after each
 * (re)connection, since signals in between are lost.
 *
 * Nothing is sent on that connection for hours, which is what firewalls and NATs forget without a word: it is looked at now
 * and then, or no signal would come until the next restart, and nothing waits for its end for long.
 */
export class DispatchListener {
  private client: pg.Client | undefined;
  /** The next look, or without a connection the next try. */
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private readonly reconnectMs: number;
  private readonly lookEveryMs: number;
  private readonly timeoutMs: number;

  constructor(
    private readonly url: string,
    private readonly onSignal: (signal: Signal) => void,
    {
      reconnectMs = 500,
      lookEveryMs = 30_000,
      timeoutMs = CONNECT_TIMEOUT_MS,
    }: ListenerOptions = {},
  ) {
    this.reconnectMs = reconnectMs;
    this.lookEveryMs = lookEveryMs;
    this.timeoutMs = timeoutMs;
  }

  /** The first try to connect is over when it resolves; after one that failed it goes on trying. */
  async start(): Promise<void> {
    if (this.stopped) return;
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'fanfare-dispatch-listener',
      connectionTimeoutMillis: this.timeoutMs,
      query_timeout: this.timeoutMs,
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
      this.lookLater(client);
    } catch {
      this.lost(client);
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    if (this.client !== undefined) await end(this.client);
  }

  private lookLater(client: pg.Client): void {
    if (this.stopped || this.client !== client) return;
    this.timer = setTimeout(() => void this.look(client), this.lookEveryMs);
  }

  private async look(client: pg.Client): Promise<void> {
    try {
      await client.query('SELECT 1');
      this.lookLater(client);
    } catch {
      this.lost(client);
    }
  }

  private lost(client: pg.Client): void {
    if (this.stopped || this.client !== client) return;
    this.client = undefined;
    clearTimeout(this.timer);
    void end(client);
    this.timer = setTimeout(() => void this.start(), this.reconnectMs);
  }
}

/** Says good-bye, and waits a moment only for a server that may be gone. */
async function end(client: pg.Client): Promise<void> {
  await within(
    client.end().catch(() => undefined),
    END_TIMEOUT_MS,
  );
  client.connection.stream.destroy();
}
