import { describe, expect, it, jest } from '@jest/globals';
import { newId, Unavailable } from '@app/domain';
import type { CheckResult, ProviderCredential } from '@app/providers';
import { CheckProcessor } from './check.processor.js';

const NOW = 1_000_000;
const job = { accountId: newId(), credentialId: newId(), until: NOW + 9_000 };
const checked: CheckResult = { ok: false, conclusive: true, detail: 'Refused: 403' };

function build(get: () => Promise<ProviderCredential | null>) {
  const fcm = jest.fn(async (_credential: unknown, _deadlineMs?: number) => checked);
  const apn = jest.fn(async (_credential: unknown, _deadlineMs?: number) => checked);
  const credentials = {
    get: jest.fn((_account: string, _id: string, _fresh?: boolean) => get()),
  };
  const providers = { FCM: { check: fcm }, APN: { check: apn } };
  const clock = { now: () => new Date(NOW) };
  return { fcm, apn, credentials, processor: new CheckProcessor(credentials, providers, clock) };
}

const credential = (type: string) => ({ id: job.credentialId, type }) as ProviderCredential;

describe('CheckProcessor', () => {
  it.each(['FCM', 'APN', 'APN_SANDBOX'])(
    'asks the provider of %s about its present secret',
    async (type) => {
      const { processor, fcm, apn, credentials } = build(async () => credential(type));
      expect(await processor.check(job)).toEqual({ ok: false, detail: 'Refused: 403' });
      expect(credentials.get).toHaveBeenCalledWith(job.accountId, job.credentialId, true);
      const [asked, other] = type === 'FCM' ? [fcm, apn] : [apn, fcm];
      expect(asked).toHaveBeenCalledWith(credential(type), 9_000);
      expect(other).not.toHaveBeenCalled();
    },
  );

  it('asks nobody when nobody waits any more, or the credential has gone', async () => {
    const late = build(async () => credential('FCM'));
    expect((await late.processor.check({ ...job, until: NOW })).ok).toBe(false);
    const gone = build(async () => null);
    expect((await gone.processor.check(job)).ok).toBe(false);
    for (const { fcm, apn } of [late, gone]) {
      expect([fcm.mock.calls, apn.mock.calls]).toEqual([[], []]);
    }
  });

  it('has no answer when the credential cannot be read', async () => {
    const { processor } = build(async () => {
      throw new Unavailable('down');
    });
    await expect(processor.check(job)).rejects.toBeInstanceOf(Unavailable);
  });
});
