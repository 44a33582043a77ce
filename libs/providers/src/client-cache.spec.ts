import { describe, expect, it } from '@jest/globals';
import { ClientCache } from './client-cache.js';

class FakeClient {
  closed = false;
  gaveUp = false;
  constructor(readonly name: string) {}
  giveUp(): void {
    this.gaveUp = true;
  }
  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

const nothing = () => Promise.resolve();

describe('ClientCache', () => {
  it('makes one client a key', async () => {
    const cache = new ClientCache<FakeClient>(2);
    let made = 0;
    const make = () => new FakeClient(String((made += 1)));
    await cache.use('a', make, nothing);
    await cache.use('a', make, nothing);
    expect(made).toBe(1);
  });

  it('closes the least recently used one when there are too many', async () => {
    const cache = new ClientCache<FakeClient>(2);
    const clients = new Map<string, FakeClient>();
    const use = (key: string) =>
      cache.use(
        key,
        () => {
          const client = new FakeClient(key);
          clients.set(key, client);
          return client;
        },
        nothing,
      );
    for (const key of ['a', 'b', 'a', 'c']) await use(key);
    expect([...clients.values()].map(({ name, closed }) => [name, closed])).toEqual([
      ['a', false],
      ['b', true],
      ['c', false],
    ]);
    expect(cache.size).toBe(2);
  });

  it('closes an evicted client only after its last user, whatever the user’s end', async () => {
    const cache = new ClientCache<FakeClient>(1);
    const client = new FakeClient('a');
    const work = Promise.withResolvers<void>();
    const busy = cache.use(
      'a',
      () => client,
      () => work.promise,
    );
    await cache.use('b', () => new FakeClient('b'), nothing);
    expect(client.closed).toBe(false);
    work.reject(new Error('failed'));
    await expect(busy).rejects.toThrow('failed');
    expect(client.closed).toBe(true);
  });

  it('gives up what each has under way, those too that were evicted meanwhile, not the closed', async () => {
    const cache = new ClientCache<FakeClient>(1);
    const [gone, busy, last] = [new FakeClient('a'), new FakeClient('b'), new FakeClient('c')];
    const work = Promise.withResolvers<void>();
    await cache.use('a', () => gone, nothing);
    const using = cache.use(
      'b',
      () => busy,
      () => work.promise,
    );
    await cache.use('c', () => last, nothing);
    // Its closing ends a moment later.
    await new Promise(setImmediate);
    cache.giveUp();
    expect([gone.gaveUp, busy.gaveUp, last.gaveUp]).toEqual([false, true, true]);
    work.resolve();
    await using;
  });

  it('gives up a client that is made later before it is used', async () => {
    const cache = new ClientCache<FakeClient>(2);
    cache.giveUp();
    const late = new FakeClient('late');
    let gaveUp = false;
    await cache.use(
      'late',
      () => late,
      (client) => {
        gaveUp = client.gaveUp;
        return Promise.resolve();
      },
    );
    expect(gaveUp).toBe(true);
  });

  it('closes all of them and waits for evicted ones that still close', async () => {
    const cache = new ClientCache<FakeClient>(1);
    const slow = Promise.withResolvers<void>();
    const slowClient = new FakeClient('a');
    slowClient.close = () => slow.promise;
    await cache.use('a', () => slowClient, nothing);
    const last = new FakeClient('b');
    await cache.use('b', () => last, nothing);
    let done = false;
    const closing = cache.closeAll().then(() => (done = true));
    await Promise.resolve();
    expect([last.closed, done]).toEqual([true, false]);
    slow.resolve();
    await closing;
    expect(done).toBe(true);
  });
});
