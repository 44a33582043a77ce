import type { Clock, Outcome } from '@app/domain';
import { ClientCache } from '../client-cache.js';
import { checkResult } from '../credential-check.js';
import { DistinctWatch } from '../distinct-watch.js';
import { outOfTime, tooLarge, unansweredOutcome } from '../exchange-outcome.js';
import { SharedHeaders } from '../http2/headers.js';
import type { SessionPool } from '../http2/session-pool.js';
import type { CheckResult, FcmCredential, Message, Provider, ProviderOptions } from '../port.js';
import type { Transport, VendorLimits } from '../transport.js';
import { AccessTokens } from './access-tokens.js';
import { DryRun } from './dry-run.js';
import { fcmOutcome } from './outcomes.js';
import { FCM_PAYLOAD_LIMIT, fcmMessage, fcmPayloadSize, forbiddenFcmOverrides } from './payload.js';
import { tokenEndpoint } from './token-endpoint.js';

const LIMITS: VendorLimits = {
  maxSessions: 4,
  maxStreamsPerSession: 100,
  oneStreamUntilAnswered: false,
};
const TOKEN_TIMEOUT_MS = 10_000;

/** FCM HTTP v1. */
export class FcmProvider implements Provider<FcmCredential> {
  readonly name = 'FCM';
  private readonly clients = new ClientCache<FcmClient>();
  private readonly tokenEndpoint: ReturnType<typeof tokenEndpoint>;

  constructor(
    private readonly options: ProviderOptions,
    private readonly transport: Transport,
    private readonly clock: Clock,
  ) {
    const timeoutMs = Math.min(TOKEN_TIMEOUT_MS, options.requestTimeoutMs);
    this.tokenEndpoint = tokenEndpoint(options.googleTokenUrl, options.ca, timeoutMs);
  }

  send(
    credential: FcmCredential,
    message: Message,
    deadlineMs = this.options.requestTimeoutMs,
  ): Promise<Outcome> {
    const [target] = forbiddenFcmOverrides(message.overrides?.fcm);
    if (target !== undefined) {
      const text = `overrides.fcm may not set ${target}`;
      return Promise.resolve({ kind: 'payload', reason: 'override', message: text });
    }
    const body = Buffer.from(JSON.stringify({ message: fcmMessage(message) }));
    // What counts is a part of the body, so that a small body needs no counting.
    const bytes = body.length > FCM_PAYLOAD_LIMIT ? fcmPayloadSize(message) : 0;
    if (bytes > FCM_PAYLOAD_LIMIT) return Promise.resolve(tooLarge(bytes, FCM_PAYLOAD_LIMIT));
    const deadlineAt = performance.now() + deadlineMs;
    return this.use(credential, (client) => client.send(message.token, body, deadlineAt));
  }

  check(
    credential: FcmCredential,
    deadlineMs = this.options.requestTimeoutMs,
  ): Promise<CheckResult> {
    return this.use(credential, (client) => client.check(performance.now() + deadlineMs));
  }

  giveUp(): void {
    this.clients.giveUp();
  }

  async close(): Promise<void> {
    await this.clients.closeAll();
    this.tokenEndpoint.close();
  }

  private use<T>(credential: FcmCredential, work: (client: FcmClient) => Promise<T>): Promise<T> {
    const key = `${credential.id}:${credential.version}`;
    return this.clients.use(key, () => this.makeClient(credential), work);
  }

  private makeClient({ content }: FcmCredential): FcmClient {
    const { options, clock } = this;
    const pool = this.transport.pool(options.fcmOrigin, LIMITS);
    const tokens = new AccessTokens(content, this.tokenEndpoint.transporter, clock);
    return new FcmClient(content.projectId, options, pool, tokens, clock);
  }
}

/** One service account: its connections, its access token, and the headers that never change. */
class FcmClient {
  private readonly quota = new DistinctWatch();
  private readonly headers: SharedHeaders;
  private readonly givenUp = new AbortController();
  private dryRun: DryRun | undefined;

  constructor(
    private readonly projectId: string,
    private readonly options: ProviderOptions,
    private readonly pool: SessionPool,
    private readonly tokens: AccessTokens,
    private readonly clock: Clock,
  ) {
    this.headers = new SharedHeaders({
      ':method': 'POST',
      ':path': `/v1/projects/${encodeURIComponent(projectId)}/messages:send`,
      ':scheme': 'https',
      ':authority': new URL(options.fcmOrigin).host,
      'content-type': 'application/json',
    });
  }

  /** @param deadlineAt monotonic milliseconds. */
  async send(token: string, body: Buffer, deadlineAt: number): Promise<Outcome> {
    for (let first = true; ; first = false) {
      let authorization = this.tokens.ready();
      if (authorization === undefined) {
        const bearer = await this.tokens.get(deadlineAt - performance.now(), this.givenUp.signal);
        if ('outcome' in bearer) return bearer.outcome;
        authorization = bearer.authorization;
      }
      const leftMs = deadlineAt - performance.now();
      if (leftMs <= 0) return outOfTime('token-endpoint-slow', 'The access token came too late');
      const exchange = await this.pool.request(this.headers.with(authorization), body, leftMs);
      if (exchange.kind !== 'answered') return unansweredOutcome(exchange);
      const judged = fcmOutcome(exchange, token, this.clock.now());
      if (judged.renewToken) this.tokens.drop(authorization);
      if (!judged.renewToken || !first) return this.widened(judged.outcome, token);
    }
  }

  /** @param deadlineAt monotonic milliseconds. */
  async check(deadlineAt: number): Promise<CheckResult> {
    const left = () => deadlineAt - performance.now();
    const bearer = await this.tokens.get(left(), this.givenUp.signal);
    if ('outcome' in bearer) return checkResult(bearer.outcome);
    this.dryRun ??= this.makeDryRun();
    const now = () => this.clock.now();
    const outcome = await this.dryRun.send(left(), now);
    if (outcome.kind !== 'credential' || outcome.status !== 401) return checkResult(outcome);
    // As for a push: the token may be the old one of a key that was renewed.
    this.tokens.drop(bearer.authorization);
    return checkResult(await this.dryRun.send(left(), now));
  }

  giveUp(): void {
    this.givenUp.abort();
    this.pool.giveUp();
  }

  async close(): Promise<void> {
    await Promise.all([this.pool.close(), this.dryRun?.close()]);
  }

  private makeDryRun(): DryRun {
    const { fcmOrigin, ca, requestTimeoutMs } = this.options;
    const { signal } = this.givenUp;
    const getAccessToken = async () => {
      const bearer = await this.tokens.get(requestTimeoutMs, signal);
      if ('outcome' in bearer) throw new Error('There is no access token');
      const token = bearer.authorization.replace(/^Bearer /, '');
      // It keeps a token that lives longer than five minutes: this one is kept here already.
      return { access_token: token, expires_in: 60 };
    };
    return new DryRun(fcmOrigin, ca, this.projectId, { getAccessToken }, signal);
  }

  /** A quota that three devices hit at once is the project's. */
  private widened(outcome: Outcome, token: string): Outcome {
    if (outcome.kind !== 'retry' || outcome.status !== 429 || outcome.scope === 'credential') {
      return outcome;
    }
    if (!this.quota.note(token, performance.now())) return outcome;
    return { ...outcome, scope: 'credential' };
  }
}
