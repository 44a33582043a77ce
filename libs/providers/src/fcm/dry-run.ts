import { randomUUID } from 'node:crypto';
import { Agent } from 'node:https';
import type { AgentOptions } from 'node:https';
import type { Outcome } from '@app/domain';
import { within } from '@app/platform';
import type { App, Credential } from 'firebase-admin/app';
import type { Answered } from '../http2/exchange.js';
import { isObject } from '../merge.js';
import { trustedRoots } from '../trusted-roots.js';
import { fcmOutcome } from './outcomes.js';

/** Nobody is subscribed to it, and a dry run reaches nobody anyway. */
const TOPIC = 'fanfare-credential-check';

const GIVEN_UP: Outcome = {
  kind: 'not-sent',
  reason: 'closing',
  message: 'Fanfare is stopping',
  afterMs: 0,
};

/**
 * Asks FCM to judge a message without sending it, by Google's own library: rare and not hot, so its
 * HTTP/1.1 is good enough. The library always asks Google's host; its agent decides where that is.
 */
export class DryRun {
  private readonly agent: Agent;
  private app: Promise<App> | undefined;

  constructor(
    origin: string,
    ca: string | undefined,
    private readonly projectId: string,
    /** The token of the pushes: the check proves what they use. */
    private readonly credential: Credential,
    /** Of the client: aborted when what is under way is given up. It may be already. */
    private readonly givenUp: AbortSignal,
  ) {
    this.agent = new OriginAgent(origin, trustedRoots(ca));
  }

  /** @param waitMs the library's promise may never settle: its time is ours to end. */
  async send(waitMs: number, now: () => Date): Promise<Outcome> {
    // What it begins now nobody would end.
    if (this.givenUp.aborted) return GIVEN_UP;
    try {
      const id = await within(this.ask(), waitMs, undefined, this.givenUp);
      if (id !== undefined) return { kind: 'accepted', providerMessageId: id };
      // What still hangs on a socket ends with it.
      this.agent.destroy();
      return { kind: 'unknown', reason: 'deadline', message: 'No answer in time' };
    } catch (error) {
      return outcomeOf(error, now());
    }
  }

  async close(): Promise<void> {
    const { app } = this;
    this.app = undefined;
    this.agent.destroy();
    if (app === undefined) return;
    const { deleteApp } = await import('firebase-admin/app');
    await deleteApp(await app);
  }

  private async ask(): Promise<string> {
    const { getMessaging } = await import('firebase-admin/messaging');
    this.app ??= this.makeApp();
    return getMessaging(await this.app).send({ topic: TOPIC, data: { check: '1' } }, true);
  }

  /** Apps are global and found by name: each of ours has one that nobody else can have. */
  private async makeApp(): Promise<App> {
    const { initializeApp } = await import('firebase-admin/app');
    const { credential, projectId, agent: httpAgent } = this;
    return initializeApp({ credential, projectId, httpAgent }, `fanfare-${randomUUID()}`);
  }
}

/** An agent whose connections all go to one origin, whatever host is asked for. */
class OriginAgent extends Agent {
  private readonly target: { host: string; port: number; servername: string };

  constructor(origin: string, ca: string[] | undefined) {
    super({ keepAlive: false, rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) });
    const { hostname: host, port } = new URL(origin);
    this.target = { host, port: port === '' ? 443 : Number(port), servername: host };
  }

  override createConnection(
    options: AgentOptions,
    callback?: Parameters<Agent['createConnection']>[1],
  ): ReturnType<Agent['createConnection']> {
    return super.createConnection({ ...options, ...this.target }, callback);
  }
}

/** The library keeps the answer on its error: the same table judges it as for a push. */
function outcomeOf(error: unknown, now: Date): Outcome {
  const { httpResponse } = (isObject(error) ? error : {}) as { httpResponse?: unknown };
  const response = isObject(httpResponse) ? httpResponse : {};
  const { status, data } = response;
  if (typeof status !== 'number') {
    const code =
      isObject(error) && typeof error['code'] === 'string' ? error['code'] : 'unreachable';
    return { kind: 'not-sent', reason: code, message: 'FCM cannot be reached', afterMs: 0 };
  }
  const answer: Answered = {
    kind: 'answered',
    status,
    headers: {},
    body: typeof data === 'string' ? data : JSON.stringify(data ?? ''),
    connection: { free: 0, drain: () => {} },
  };
  return fcmOutcome(answer, '', now).outcome;
}
