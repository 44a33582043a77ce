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
});
