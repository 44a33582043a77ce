import type { RateLimitStore } from '@app/queue';
import type { FastifyInstance } from 'fastify';
import type { Caller } from '../auth/authenticator.js';
import { RateLimit } from './rate-limit.js';

export type RateLimitName = 'requests' | 'recipients';

/** What each API key, and each account's auth token, may do a second. */
export class RateLimits {
  private readonly requests: RateLimit;
  private readonly recipients: RateLimit;

  constructor(
    perSecond: Readonly<Record<RateLimitName, number>>,
    stores: Readonly<Record<RateLimitName, RateLimitStore>>,
  ) {
    this.requests = new RateLimit('requests', perSecond.requests, stores.requests);
    this.recipients = new RateLimit('recipients', perSecond.recipients, stores.recipients);
  }

  /** @throws TooManyRequests */
  async chargeRequest(caller: Caller): Promise<void> {
    await this.requests.charge(keyOf(caller), 1);
  }

  /** @throws TooManyRequests */
  async chargeRecipients(caller: Caller, recipients: number): Promise<void> {
    await this.recipients.charge(keyOf(caller), recipients);
  }
}

const keyOf = ({ kind, id }: Caller) => `${kind}:${id}`;

/** Counts a request when its caller is known, before its body is read. */
export function registerRateLimits(fastify: FastifyInstance, limits: RateLimits): void {
  fastify.addHook('onRequest', async ({ caller }) => {
    if (caller !== null) await limits.chargeRequest(caller);
  });
}
