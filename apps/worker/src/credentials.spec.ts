import { describe, expect, it, jest } from '@jest/globals';
import type { OpenedCredential } from '@app/persistence';
import { Credentials } from './credentials.js';

const opened = (version: number): OpenedCredential => ({
  id: 'c',
  version,
  credentialType: 'FCM',
  secret: { key: version },
});

describe('Credentials', () => {
  it('notices a rotation and a deletion within ten seconds, and reads once until then', async () => {
    let stored: OpenedCredential | null = opened(1);
    const open = jest.fn(async () => stored);
    const clock = { ms: 1, now: () => clock.ms };
    const credentials = new Credentials({ open }, clock);
    expect(await credentials.get('a', 'c')).toMatchObject({ version: 1, content: { key: 1 } });
    stored = opened(2);
    expect(await credentials.get('a', 'c')).toMatchObject({ version: 1 });
    expect(open).toHaveBeenCalledTimes(1);
    clock.ms += 10_001;
    expect(await credentials.get('a', 'c')).toMatchObject({ version: 2, content: { key: 2 } });
    stored = null;
    clock.ms += 10_001;
    expect(await credentials.get('a', 'c')).toBeNull();
  });

  it('looks at once where a probe asks, and after a refusal', async () => {
    let stored = opened(1);
    const credentials = new Credentials({ open: async () => stored });
    await credentials.get('a', 'c');
    stored = opened(2);
    expect(await credentials.get('a', 'c', true)).toMatchObject({ version: 2 });
    stored = opened(3);
    expect(await credentials.get('a', 'c')).toMatchObject({ version: 2 });
    credentials.forget('c');
    expect(await credentials.get('a', 'c')).toMatchObject({ version: 3 });
  });

  it('looks at every row anew, once, when it hears that some changed', async () => {
    let version = 1;
    const open = jest.fn(async () => opened(version));
    const credentials = new Credentials({ open });
    const both = () => Promise.all(['c', 'd'].map((id) => credentials.get('a', id)));
    await both();
    version = 2;
    credentials.forgetAll();
    await both();
    expect(await both()).toMatchObject([{ version: 2 }, { version: 2 }]);
    expect(open).toHaveBeenCalledTimes(4);
  });

  it.each<[string, (credentials: Credentials) => void]>([
    ['it', (credentials) => credentials.forget('c')],
    ['all', (credentials) => credentials.forgetAll()],
  ])('answers who waits for a read while %s is forgotten, and nobody after', async (_, forget) => {
    const reads: PromiseWithResolvers<OpenedCredential>[] = [];
    const credentials = new Credentials({
      open: () => {
        const read = Promise.withResolvers<OpenedCredential>();
        reads.push(read);
        return read.promise;
      },
    });
    const waiting = credentials.get('a', 'c');
    forget(credentials);
    const after = credentials.get('a', 'c');
    reads[1]?.resolve(opened(2));
    reads[0]?.resolve(opened(1));
    expect(await waiting).toMatchObject({ version: 1 });
    expect(await after).toMatchObject({ version: 2 });
    expect(await credentials.get('a', 'c')).toMatchObject({ version: 2 });
    expect(reads).toHaveLength(2);
  });
});
