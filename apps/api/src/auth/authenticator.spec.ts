import { describe, expect, it, jest } from '@jest/globals';
import {
  SCOPES,
  Unauthorized,
  Unavailable,
  formatAccountId,
  formatApiKeyId,
  newId,
} from '@app/domain';
import type { StoredApiKey } from '@app/persistence';
import { Authenticator, hashToken } from './authenticator.js';
import { basicCredentials } from './basic-credentials.js';

const account = newId();
const key = newId();
const secret = 'secret:with:colons';
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
const good = basic(`${formatAccountId(account)}:${secret}`);
const goodKey = basic(`${formatApiKeyId(key)}:${secret}`);
const stored: StoredApiKey = {
  accountId: account,
  scopes: ['read'],
  secretHash: hashToken(secret),
};

function authenticator(
  find = async (id: string) => (id === account ? hashToken(secret) : null),
  findKey = async (id: string): Promise<StoredApiKey | null> => (id === key ? stored : null),
) {
  const findTokenHash = jest.fn(find);
  const findApiKey = jest.fn(findKey);
  const clock = { ms: 1, now: () => clock.ms };
  const auth = new Authenticator({ findTokenHash }, { findApiKey }, clock);
  return { auth, findTokenHash, findApiKey, clock };
}

describe('basicCredentials', () => {
  it('splits at the first colon, whatever the case of the scheme', () => {
    for (const header of [good, good.replace('Basic', 'bASIC'), good.replace(' ', '   ')]) {
      expect(basicCredentials(header)).toEqual({ kind: 'account', id: account, secret });
    }
    expect(basicCredentials(goodKey)).toEqual({ kind: 'apiKey', id: key, secret });
  });

  it.each([
    undefined,
    '',
    'Basic',
    'Basic ',
    'Bearer abc',
    `${good}, x`,
    basic('nope:x'),
    basic('x'),
    basic(`sk${formatApiKeyId(key).slice(2)}:x`),
    basic(`${formatApiKeyId(key)}0:x`),
  ])('gives null for %j', (header) => {
    expect(basicCredentials(header)).toBeNull();
  });
});

describe('Authenticator', () => {
  it('gives the account of the right token, with every scope', async () => {
    expect(await authenticator().auth.authenticate(good)).toEqual({
      accountId: account,
      kind: 'account',
      id: account,
      scopes: SCOPES,
    });
  });

  it('gives the account of the right key, with the scopes of the key', async () => {
    expect(await authenticator().auth.authenticate(goodKey)).toEqual({
      accountId: account,
      kind: 'apiKey',
      id: key,
      scopes: ['read'],
    });
  });

  it.each([
    undefined,
    basic(`${formatAccountId(account)}:wrong`),
    basic(`${formatAccountId(newId())}:${secret}`),
    basic(`${formatApiKeyId(key)}:wrong`),
    basic(`${formatApiKeyId(newId())}:${secret}`),
    // An id is good for one of the two only.
    basic(`${formatApiKeyId(account)}:${secret}`),
    basic(`${formatAccountId(key)}:${secret}`),
  ])('refuses %j', async (header) => {
    const { auth } = authenticator();
    await auth.authenticate(good);
    await auth.authenticate(goodKey);
    await expect(auth.authenticate(header)).rejects.toBeInstanceOf(Unauthorized);
  });

  it('asks once for a known caller, every time for an unknown one', async () => {
    const { auth, findTokenHash, findApiKey } = authenticator();
    for (const header of [good, good, goodKey, goodKey]) await auth.authenticate(header);
    expect(findTokenHash).toHaveBeenCalledTimes(1);
    expect(findApiKey).toHaveBeenCalledTimes(1);
    const unknown = basic(`${formatAccountId(newId())}:x`);
    await auth.authenticate(unknown).catch(() => undefined);
    await auth.authenticate(unknown).catch(() => undefined);
    expect(findTokenHash).toHaveBeenCalledTimes(3);
  });

  it('refuses a revoked key five seconds later at most', async () => {
    let revoked = false;
    const { auth, clock } = authenticator(undefined, async () => (revoked ? null : stored));
    await auth.authenticate(goodKey);
    revoked = true;
    clock.ms += 5_001;
    await expect(auth.authenticate(goodKey)).rejects.toBeInstanceOf(Unauthorized);
  });

  it('does not call a caller wrong that it cannot check', async () => {
    const { auth } = authenticator(async () => {
      throw new Unavailable('down');
    });
    await expect(auth.authenticate(good)).rejects.toBeInstanceOf(Unavailable);
  });
});
