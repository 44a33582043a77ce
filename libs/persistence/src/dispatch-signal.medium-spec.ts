import { EventEmitter, once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DatabaseLink } from '../../../test/support/database-link.js';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import {
  DispatchListener,
  DispatchSignal,
  type ListenerOptions,
  type Signal,
} from './dispatch-signal.js';

let store: TestStore;
let link: DatabaseLink;
let url: string;
let listener: DispatchListener | undefined;
/** One event a signal, under its own name. */
let heard: EventEmitter;

beforeAll(async () => {
  store = await createTestStore();
});

afterAll(() => store?.drop());

beforeEach(async () => {
  link = new DatabaseLink();
  url = await link.through(store.database.appUrl);
  heard = new EventEmitter();
});

afterEach(async () => {
  // First: what would wait for it for ever is told.
  await link.close();
  await listener?.stop();
  listener = undefined;
});

/** On a busy machine too a moment is enough for these. */
const QUICK: ListenerOptions = { reconnectMs: 10, lookEveryMs: 20, timeoutMs: 500 };

function listen(options: ListenerOptions = {}): DispatchListener {
  listener = new DispatchListener(url, (signal) => void heard.emit(signal), {
    ...QUICK,
    ...options,
  });
  return listener;
}

const next = (signal: Signal) => once(heard, signal);
const both = () => Promise.all([next('pauses'), next('work')]);
const send = (signal: Signal) => new DispatchSignal(store.db).notify(signal);

/** Only from a NOTIFY: what comes with a connection has been heard. */
async function hearsSignals(): Promise<void> {
  for (const signal of ['work', 'pauses'] as const) {
    const signaled = next(signal);
    send(signal);
    await signaled;
  }
}

async function took(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

describe('DispatchListener', () => {
  it('tells of both signals when it connects, and of each that is sent', async () => {
    const told = both();
    await listen().start();
    await told;
    await hearsSignals();
  }, 20_000);

  it('connects anew when its connection is cut, and hears signals again', async () => {
    // No look finds it: the connection itself says so.
    await listen({ lookEveryMs: 60_000 }).start();
    await link.cut();
    const told = both();
    await link.mend();
    await told;
    await hearsSignals();
  }, 20_000);

  it('notices that its connection leads nowhere, though nobody says so, and hears signals again', async () => {
    await listen().start();
    link.silence();
    link.endSilence();
    // New connections work, and nothing else tells it to make one.
    await both();
    await hearsSignals();
  }, 20_000);

  it('keeps a connection that is looked at and is well', async () => {
    await listen({ lookEveryMs: 1, timeoutMs: 20_000 }).start();
    let connections = 0;
    heard.on('pauses', () => connections++);
    const seen = () =>
      store.db.query<{ at: Date }>(
        `SELECT query_start AS at FROM pg_stat_activity
         WHERE application_name = 'fanfare-dispatch-listener' AND query = 'SELECT 1' AND datname = current_database()`,
      );
    const looks = new Set<number>();
    while (looks.size < 5) for (const { at } of await seen()) looks.add(at.getTime());
    expect(connections).toBe(0);
  }, 20_000);

  it('waits for a server that does not answer for so long only, and goes on trying', async () => {
    link.silence();
    const ms = await took(() => listen().start());
    expect(ms).toBeGreaterThanOrEqual(490);
    expect(ms).toBeLessThan(2_000);
    const told = both();
    link.endSilence();
    await told;
    await hearsSignals();
  }, 20_000);

  it.each<[string, (of: DispatchListener) => Promise<void>]>([
    [
      'whose connection leads nowhere',
      async (of) => {
        await of.start();
        link.silence();
      },
    ],
    [
      'that is about to look at such a connection',
      async (of) => {
        const looked = link.seen('SELECT 1');
        await of.start();
        await looked;
      },
    ],
    [
      'that is connecting to nowhere',
      (of) => {
        link.silence();
        void of.start();
        return Promise.resolve();
      },
    ],
  ])(
    'stops soon when it is one %s',
    async (_, begin) => {
      const stopping = listen({ timeoutMs: 60_000 });
      await begin(stopping);
      expect(await took(() => stopping.stop())).toBeLessThan(2_500);
    },
    20_000,
  );

  it('leaves a server that is there as soon as that has answered, and for good', async () => {
    await listen({ lookEveryMs: 60_000 }).start();
    let signals = 0;
    for (const signal of ['pauses', 'work']) heard.on(signal, () => signals++);
    expect(await took(() => listener!.stop())).toBeLessThan(900);
    await listener!.start();
    expect(signals).toBe(0);
  }, 20_000);
});
