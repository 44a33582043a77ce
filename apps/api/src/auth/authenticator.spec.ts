import { describe, expect, it, jest } from '@jest/globals';
import { Unauthorized, Unavailable, formatAccountId, newId } from '@app/domain';
import { Authenticator, hashToken } from './authenticator.js';
import { basicCredentials } from './basic-credentials.js';

const account = newId();
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
const good = basic(`${formatAccountId(account)}:secret:with:colons`);

function authenticator(
  find = async (id: string) => (id === account ? hashToken('secret:with:colons') : null),
) {
  const findTokenHash = jest.fn(find);
  return { auth: new Authenticator({ findTokenHash }), findTokenHash };
}

describe('basicCredentials', () => {
  it('splits at the first colon, whatever the case of the scheme', () => {
    for (const header of [good, good.replace('Basic', 'bASIC'), good.replace(' ', '   ')]) {
      expect(basicCredentials(header)).toEqual({ accountId: account, token: 'secret:with:colons' });
    }
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
  ])('gives null for %j', (header) => {
    expect(basicCredentials(header)).toBeNull();
  });
});

describe('Authenticator', () => {
  it('gives the account of the right token', async () => {
    expect(await authenticator().auth.authenticate(good)).toBe(account);
  });

  it.each([
    undefined,
    basic(`${formatAccountId(account)}:wrong`),
    basic(`${formatAccountId(newId())}:secret:with:colons`),
  ])('refuses %j', async (header) => {
    await expect(authenticator().auth.authenticate(header)).rejects.toBeInstanceOf(Unauthorized);
  });

  it('asks once for a known account, every time for an unknown one', async () => {
    const { auth, findTokenHash } = authenticator();
    await auth.authenticate(good);
    await auth.authenticate(good);
    expect(findTokenHash).toHaveBeenCalledTimes(1);
    const unknown = basic(`${formatAccountId(newId())}:x`);
    await auth.authenticate(unknown).catch(() => undefined);
    await auth.authenticate(unknown).catch(() => undefined);
    expect(findTokenHash).toHaveBeenCalledTimes(3);
  });

  it('does not call a caller wrong that it cannot check', async () => {
    const { auth } = authenticator(async () => {
      throw new Unavailable('down');
    });
    await expect(auth.authenticate(good)).rejects.toBeInstanceOf(Unavailable);
  });
});
