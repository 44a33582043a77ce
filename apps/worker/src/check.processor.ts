import { systemClock, type Clock } from '@app/domain';
import type { Providers } from '@app/providers';
import type { CheckAnswer, CheckJob } from '@app/queue';
import type { Credentials } from './credentials.js';

/** Asks a provider whether a credential works; delivers nothing. */
export class CheckProcessor {
  constructor(
    private readonly credentials: Pick<Credentials, 'get'>,
    private readonly providers: {
      FCM: Pick<Providers['FCM'], 'check'>;
      APN: Pick<Providers['APN'], 'check'>;
    },
    private readonly clock: Clock = systemClock,
  ) {}

  /** @throws Unavailable and other faults of ours: then there is no answer. */
  async check({ accountId, credentialId, until }: CheckJob): Promise<CheckAnswer> {
    const deadlineMs = until - this.clock.now().getTime();
    if (deadlineMs <= 0) return { ok: false, detail: 'Nobody waited for the answer any more.' };
    const credential = await this.credentials.get(accountId, credentialId, true);
    if (credential === null) return { ok: false, detail: 'The credential was deleted.' };
    const { ok, detail } = await (credential.type === 'FCM'
      ? this.providers.FCM.check(credential, deadlineMs)
      : this.providers.APN.check(credential, deadlineMs));
    return { ok, detail };
  }
}
