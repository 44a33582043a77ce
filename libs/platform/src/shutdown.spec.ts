import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { announceReady } from './ready.js';
import { onShutdown } from './shutdown.js';
import type { ShutdownHost } from './shutdown.js';

const logger = { info: () => undefined, error: () => undefined };

function setUp(
  options: { stop?: () => Promise<void>; exitWithParent?: boolean; connected?: boolean } = {},
) {
  const events = new EventEmitter();
  const exits: number[] = [];
  let finish = (): void => undefined;
  const stop = jest.fn(
    options.stop ??
      (() =>
        new Promise<void>((resolve) => {
          finish = resolve;
        })),
  );
  const host: ShutdownHost = {
    on: (event, listener) => events.on(event, listener),
    exit: (code) => exits.push(code),
    ...(options.connected === undefined ? {} : { connected: options.connected }),
  };
  const begin = onShutdown(stop, {
    graceMs: 1_000,
    logger,
    exitWithParent: options.exitWithParent ?? false,
    host,
  });
  const finishStop = async () => {
    finish();
    await jest.advanceTimersByTimeAsync(0);
  };
  return { events, exits, stop, begin, finishStop };
}

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('onShutdown', () => {
  it.each(['SIGTERM', 'SIGINT'])('%s stops once and exits with 0', async (signal) => {
    const { events, exits, stop, finishStop } = setUp();
    events.emit(signal);
    expect(stop).toHaveBeenCalledTimes(1);
    expect(exits).toEqual([]);
    await finishStop();
    expect(exits).toEqual([0]);
    await jest.advanceTimersByTimeAsync(5_000);
    expect(exits).toEqual([0]);
  });

  it('exits with 1 when the grace period is over', async () => {
    const { events, exits } = setUp();
    events.emit('SIGTERM');
    await jest.advanceTimersByTimeAsync(999);
    expect(exits).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(exits).toEqual([1]);
  });

  it('exits with 1 at once when the same signal comes again', () => {
    const { events, exits, stop } = setUp();
    events.emit('SIGINT');
    events.emit('SIGINT');
    expect(exits).toEqual([1]);
    expect(stop).toHaveBeenCalledTimes(1);
  });

  it('goes on stopping when the launcher’s SIGTERM follows Ctrl-C', async () => {
    const { events, exits, stop, finishStop } = setUp();
    events.emit('SIGINT');
    events.emit('SIGTERM');
    expect(exits).toEqual([]);
    await finishStop();
    expect(exits).toEqual([0]);
    expect(stop).toHaveBeenCalledTimes(1);
  });

  it('exits with 1 when stopping fails', async () => {
    const { events, exits } = setUp({ stop: () => Promise.reject(new Error('stuck')) });
    events.emit('SIGTERM');
    await jest.advanceTimersByTimeAsync(0);
    expect(exits).toEqual([1]);
  });

  it('stops for a reason of the process’s own', () => {
    const { begin, stop } = setUp();
    begin('lost the database');
    expect(stop).toHaveBeenCalledTimes(1);
  });

  it('stops with its parent only when asked to', () => {
    const alone = setUp();
    alone.events.emit('disconnect');
    expect(alone.stop).not.toHaveBeenCalled();
    const child = setUp({ exitWithParent: true, connected: true });
    expect(child.stop).not.toHaveBeenCalled();
    child.events.emit('disconnect');
    expect(child.stop).toHaveBeenCalledTimes(1);
  });

  it('notices a parent that was gone before it listened', () => {
    expect(setUp({ exitWithParent: true, connected: false }).stop).toHaveBeenCalledTimes(1);
  });
});

describe('announceReady', () => {
  it('sends the info to the parent, and does nothing without one', () => {
    const sent: unknown[] = [];
    announceReady({ port: 1 }, { send: (message) => sent.push(message) > 0 });
    expect(sent).toEqual([{ type: 'ready', port: 1 }]);
    expect(() => {
      announceReady({ port: 1 }, {});
    }).not.toThrow();
  });
});
