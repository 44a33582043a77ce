import { systemClock } from '@app/domain';
import type { Clock, Outcome } from '@app/domain';
import { within } from '@app/platform';
import { JWT } from 'google-auth-library';
import { isObject } from '../merge.js';
import type { FcmCredentialContent } from '../port.js';
import { retryAfterMs } from '../retry-after.js';
import type { Gaxios } from './token-endpoint.js';

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
/** How long an assertion is good for: the most that Google takes. */
const ASSERTION_SECONDS = 3_600;
/** A token is replaced so long before it expires, while the old one is still used. */
const REFRESH_EARLY_MS = 5 * 60_000;
/** A token this close to its end is not sent any more. */
const MARGIN_MS = 10_000;
/** No first interval is named. */
const BACKOFF = { leastMs: 0, baseMs: 1_000, capMs: 60_000 };
/** Google's ways to say that the service account itself is refused. */
const REFUSALS = new Set(['invalid_grant', 'invalid_client', 'unauthorized_client']);

/** What goes into `authorization`, or why there is none. */
export type Bearer = { authorization: string } | { outcome: Outcome };

/**
 * The access tokens of one service account in this process: one request at a time, refreshed early,
 * and while the token endpoint is down a still valid token stays in use. After a failure the
 * endpoint is left alone for a while and everybody gets the same outcome.
 */
export class AccessTokens {
  private authorization = '';
  private expiresAt = 0;
  private refreshAt = 0;
  private refreshing: Promise<void> | undefined;
  private failures = 0;
  private failedUntil = 0;
  private failure: Outcome | undefined;

  constructor(
    private readonly account: FcmCredentialContent,
    private readonly transporter: Gaxios,
    private readonly clock: Clock,
  ) {}

  /** The header value when no waiting is needed, as on all but the first request of an hour. */
  ready(): string | undefined {
    const now = this.clock.now().getTime();
    if (now >= this.expiresAt - MARGIN_MS) return undefined;
    if (now >= this.refreshAt && now >= this.failedUntil) void this.refresh();
    return this.authorization;
  }

  /** @param waitMs how long this request can wait for a token; no longer than until `signal` is aborted. */
  async get(waitMs: number, signal?: AbortSignal): Promise<Bearer> {
    const ready = this.ready();
    if (ready !== undefined) return { authorization: ready };
    if (this.failure === undefined || this.clock.now().getTime() >= this.failedUntil) {
      await within(this.refresh(), waitMs, undefined, signal);
    }
    const authorization = this.ready();
    if (authorization !== undefined) return { authorization };
    return {
      outcome: this.failure ?? {
        kind: 'not-sent',
        reason: 'token-endpoint-slow',
        message: 'No access token arrived in time',
        afterMs: 1_000,
      },
    };
  }

  /** Forgets a token that FCM refused, unless it has been replaced already. */
  drop(authorization: string): void {
    if (authorization !== this.authorization) return;
    this.authorization = '';
    this.expiresAt = 0;
  }

  private refresh(): Promise<void> {
    this.refreshing ??= this.mint().finally(() => {
      this.refreshing = undefined;
    });
    return this.refreshing;
  }

  private async mint(): Promise<void> {
    try {
      // The library has no way to drop or replace a cached token: each `JWT` is used once.
      const { access_token: token, expiry_date: expiryDate } = await this.newJwt().authorize();
      // The library reckons by the clock of this machine, which may be wrong.
      const lifeMs = (expiryDate ?? 0) - systemClock.now().getTime();
      if (!token || lifeMs <= 0) throw new Error('No usable token was sent');
      const expiresAt = this.clock.now().getTime() + lifeMs;
      this.authorization = `Bearer ${token}`;
      this.expiresAt = expiresAt;
      this.refreshAt = expiresAt - Math.min(REFRESH_EARLY_MS, lifeMs / 2);
      this.failures = 0;
      this.failure = undefined;
      this.failedUntil = 0;
    } catch (error) {
      const now = this.clock.now();
      const failure = tokenFailure(error, now);
      const backoffMs = Math.min(BACKOFF.capMs, BACKOFF.baseMs * 2 ** Math.min(this.failures, 10));
      const asked = failure.kind === 'retry' ? (failure.afterMs ?? 0) : 0;
      const waitMs = Math.max(asked, backoffMs);
      // Before that nobody asks the endpoint again, so no push needs to come back.
      this.failure = failure.kind === 'retry' ? { ...failure, afterMs: waitMs } : failure;
      this.failedUntil = now.getTime() + waitMs;
      this.failures += 1;
    }
  }

  private newJwt(): JWT {
    const issuedAt = Math.floor(this.clock.now().getTime() / 1_000);
    return new JWT({
      email: this.account.clientEmail,
      key: this.account.privateKey,
      ...(this.account.privateKeyId === undefined ? {} : { keyId: this.account.privateKeyId }),
      scopes: [SCOPE],
      // Google refuses an assertion from the future, or of the past hour, and the service account with it.
      additionalClaims: { iat: issuedAt, exp: issuedAt + ASSERTION_SECONDS },
      transporter: this.transporter,
    });
  }
}

/** What a failed token request means for the pushes that wait for it. */
export function tokenFailure(error: unknown, now: Date): Outcome {
  const failed = isObject(error) ? error : {};
  const response = isObject(failed['response']) ? failed['response'] : undefined;
  const data = isObject(response?.['data']) ? response['data'] : {};
  const status = typeof response?.['status'] === 'number' ? response['status'] : undefined;
  const code = typeof data['error'] === 'string' ? data['error'] : undefined;
  const description = data['error_description'];
  const said = {
    ...(status === undefined ? {} : { status }),
    reason: code ?? (status === undefined ? 'token-endpoint-unreachable' : `HTTP ${status}`),
    message:
      `Google's token endpoint: ` +
      (typeof description === 'string' ? description.slice(0, 300) : describe(status, failed)),
  };
  if (code !== undefined && REFUSALS.has(code))
    return { kind: 'credential', unsent: true, ...said };
  // Not the global `Headers`: the library brings its own fetch.
  const headers = response?.['headers'] as { get?: (name: string) => unknown } | undefined;
  const asked = headers?.get?.('retry-after');
  const afterMs = retryAfterMs(typeof asked === 'string' ? asked : undefined, now);
  return {
    kind: 'retry',
    unsent: true,
    scope: 'credential',
    backoff: BACKOFF,
    ...said,
    ...(afterMs === undefined ? {} : { afterMs }),
  };
}

/** Never the error's own message when it had an answer: that may quote the signed assertion. */
function describe(status: number | undefined, error: Record<string, unknown>): string {
  if (status !== undefined) return `answered ${status}`;
  const code = error['code'];
  return typeof code === 'string' ? code : 'cannot be reached';
}
