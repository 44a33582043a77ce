import { randomUUID } from 'node:crypto';
import type { Clock, Outcome } from '@app/domain';
import { LRUCache } from 'lru-cache';
import { sha256 } from '../checked-credential.js';
import { ClientCache } from '../client-cache.js';
import { checkResult } from '../credential-check.js';
import { DistinctWatch } from '../distinct-watch.js';
import { outOfTime, tooLarge, unansweredOutcome } from '../exchange-outcome.js';
import type { Exchange } from '../http2/exchange.js';
import { pathSegment, SharedHeaders } from '../http2/headers.js';
import type { SessionPool } from '../http2/session-pool.js';
import type { Judged } from '../outcome-table.js';
import type {
  ApnCredential,
  ApnsTokenStore,
  CheckResult,
  Message,
  Provider,
  ProviderOptions,
} from '../port.js';
import type { Transport, VendorLimits } from '../transport.js';
import { apnsOutcome } from './outcomes.js';
import { apnsRequest, forbiddenApnsHeaders, overridesTopic } from './payload.js';
import type { ApnsRequest } from './payload.js';
import { ProviderToken, TOKEN_UNAVAILABLE } from './provider-token.js';

const LIMITS: VendorLimits = {
  maxSessions: 2,
  maxStreamsPerSession: 500,
  oneStreamUntilAnswered: true,
};

/** As long and as hexadecimal as a device token, and none. */
const NOBODY = '0'.repeat(64);

/**
 * Three different pushes within so long hear the same, none of any other is taken meanwhile: it is the credential. Long,
 * so that one that is used a few times an hour is not tried in vain for ever.
 */
const SUSPICION_MS = 6 * 3_600_000;

/** Something the operator should know that no outcome says: our own fault, shown loudly. */
export type Warn = (message: string, details: Record<string, unknown>) => void;

/** Apple Push Notification service, production and sandbox. */
export class ApnsProvider implements Provider<ApnCredential> {
  readonly name = 'APN';
  private readonly clients = new ClientCache<ApnsClient>();
  /** Production and sandbox clients of one key share one token. */
  private readonly tokens = new LRUCache<string, ProviderToken>({ max: 400 });

  constructor(
    private readonly options: ProviderOptions,
    private readonly transport: Transport,
    private readonly clock: Clock,
    private readonly store: ApnsTokenStore,
    private readonly warn: Warn,
  ) {}

  send(
    credential: ApnCredential,
    message: Message,
    deadlineMs = this.options.requestTimeoutMs,
  ): Promise<Outcome> {
    const { topic } = credential.content;
    const [override] = forbiddenApnsHeaders(message.overrides?.apn?.headers, topic);
    if (override !== undefined) {
      const text = `overrides.apn.headers may not set ${JSON.stringify(override)} so`;
      return Promise.resolve({ kind: 'payload', reason: 'override', message: text });
    }
    const segment = pathSegment(message.token);
    if (segment === undefined) {
      const text = 'The token cannot be part of a path';
      return Promise.resolve({ kind: 'invalid-token', reason: 'token-form', message: text });
    }
    const request = apnsRequest(message, topic);
    if (request.body.length > request.limit) {
      return Promise.resolve(tooLarge(request.body.length, request.limit));
    }
    return this.clients.use(
      `${credential.id}:${credential.version}:${credential.type}`,
      () => this.makeClient(credential),
      (client) => client.send(message, segment, request, performance.now() + deadlineMs),
    );
  }

  /**
   * A push to a token that Apple never gave out: who is let in hears BadDeviceToken, and nothing is
   * delivered. It is a background push that expires at once, should Apple ever think otherwise.
   */
  async check(
    credential: ApnCredential,
    deadlineMs = this.options.requestTimeoutMs,
  ): Promise<CheckResult> {
    const now = this.clock.now();
    const message: Message = {
      id: randomUUID(),
      token: NOBODY,
      priority: 'LOW',
      sound: null,
      expiresAt: now,
      attemptAt: now,
      immediate: true,
    };
    return checkResult(await this.send(credential, message, deadlineMs));
  }

  giveUp(): void {
    this.clients.giveUp();
  }

  close(): Promise<void> {
    return this.clients.closeAll();
  }

  private makeClient({ type, content }: ApnCredential): ApnsClient {
    const origin =
      type === 'APN_SANDBOX' ? this.options.apnsSandboxOrigin : this.options.apnsOrigin;
    const isToken = content.kind === 'token';
    const pool = this.transport.pool(origin, LIMITS, isToken ? undefined : content);
    const token = isToken ? this.tokenOf(content) : undefined;
    return new ApnsClient(origin, pool, token, this.clock, this.warn);
  }

  private tokenOf(content: Extract<ApnCredential['content'], { kind: 'token' }>): ProviderToken {
    // The key itself is part of the name: knowing a stranger's team and key id must not be enough
    // to send with the stranger's token.
    const name = `${content.teamId}:${content.keyId}:${sha256(content.signingKey)}`;
    let token = this.tokens.get(name);
    if (token === undefined) {
      token = new ProviderToken(content, this.store, this.clock);
      this.tokens.set(name, token);
    }
    return token;
  }
}

/** One credential in one environment: its connections and the headers that never change. */
class ApnsClient {
  private readonly headers: SharedHeaders;
  private readonly givenUp = new AbortController();
  private readonly suspicion = new DistinctWatch(SUSPICION_MS);

  constructor(
    origin: string,
    private readonly pool: SessionPool,
    private readonly token: ProviderToken | undefined,
    private readonly clock: Clock,
    private readonly warn: Warn,
  ) {
    this.headers = new SharedHeaders({
      ':method': 'POST',
      ':scheme': 'https',
      ':authority': new URL(origin).host,
    });
  }

  /** @param deadlineAt monotonic milliseconds. */
  async send(
    message: Message,
    segment: string,
    request: ApnsRequest,
    deadlineAt: number,
  ): Promise<Outcome> {
    const { token } = this;
    const own = [':path', `/3/device/${segment}`];
    for (const name in request.headers) own.push(name, String(request.headers[name]));
    for (let first = true; ; first = false) {
      let authorization = token?.ready();
      if (token !== undefined && authorization === undefined) {
        const bearer = await token.get(deadlineAt - performance.now(), this.givenUp.signal);
        if ('outcome' in bearer) return bearer.outcome;
        authorization = bearer.authorization;
      }
      const leftMs = deadlineAt - performance.now();
      if (leftMs <= 0) return outOfTime('apns-token-unavailable', 'The APNs token came too late');
      const headers = this.headers.with(authorization);
      const judged = this.judge(
        await this.pool.request(headers, request.body, leftMs, own),
        message,
      );
      if (!judged.renewToken || !first || token === undefined || authorization === undefined)
        return judged.outcome;
      const renewMs = deadlineAt - performance.now();
      switch (await token.renew(authorization, renewMs, this.givenUp.signal)) {
        case 'unavailable':
          return TOKEN_UNAVAILABLE;
        case 'too-young':
          return withHint(
            judged.outcome,
            'the token is younger than 20 minutes: is a clock wrong?',
          );
        case 'renewed':
      }
    }
  }

  giveUp(): void {
    this.givenUp.abort();
    this.pool.giveUp();
  }

  async close(): Promise<void> {
    await this.pool.close();
  }

  private judge(exchange: Exchange, message: Message): Judged {
    if (exchange.kind !== 'answered') {
      const outcome = accepted(exchange, message) ?? unansweredOutcome(exchange);
      return this.confirmed({ outcome }, message);
    }
    const push = { id: message.id, token: message.token, overridesTopic: overridesTopic(message) };
    const judged = apnsOutcome(exchange, push, this.clock.now());
    if (judged.newSession) exchange.connection.drain();
    if (judged.loud) {
      const { status } = exchange;
      this.warn('APNs refused the form of a request of ours', { pushId: message.id, status });
    }
    return this.confirmed(judged, message);
  }

  /** What three different pushes hear that ask for nothing special is about the credential. */
  private confirmed(judged: Judged, { token, overrides }: Message): Judged {
    const { outcome } = judged;
    if (outcome.kind === 'accepted') this.suspicion.reset();
    if (outcome.kind !== 'credential' || !outcome.suspect || overrides?.apn !== undefined) {
      return judged;
    }
    if (!this.suspicion.note(token, performance.now())) return judged;
    const certain = { ...outcome };
    delete certain.suspect;
    return { ...judged, outcome: certain };
  }
}

/** With APNs the head of a 200 says it all: a loss after it loses nothing. */
function accepted(exchange: Exchange, message: Message): Outcome | undefined {
  if (exchange.kind !== 'lost' || exchange.status !== 200) return undefined;
  const apnsId = exchange.headers?.['apns-id'];
  return {
    kind: 'accepted',
    providerMessageId: typeof apnsId === 'string' ? apnsId : message.id,
  };
}

function withHint(outcome: Outcome, hint: string): Outcome {
  return outcome.kind === 'credential'
    ? { ...outcome, message: `${outcome.message}; ${hint}` }
    : outcome;
}
