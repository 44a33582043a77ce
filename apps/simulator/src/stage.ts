import type { Behaviour, ServerName } from './behaviour.js';
import type { Exchange, Reply } from './exchange.js';
import type { WrittenEntry } from './ledger-file.js';
import type { Ledger } from './ledger.js';
import { parseToken, type BehaviourName, type Rule } from './rules.js';

/** Which push a request is about; empty and null as long as nobody knows. */
export interface Subject {
  provider: ServerName;
  token: string;
  id: string | null;
}

/** How a vendor words what a rule asks for. */
export interface Wording {
  accepted(): Reply;
  refused(rule: Rule): Reply;
}

/** Tokens whose troubles are counted; beyond this the oldest begins again. */
const MAX_COUNTED = 1_000_000;

/** Characters of a body that the ledger keeps: four times what either provider takes. */
const MAX_KEPT = 16_384;

/** Plays what tokens and operator ask for, and writes all of it into the ledger. */
export class Stage {
  private readonly done = new Map<string, number>();

  constructor(
    private readonly ledger: Ledger,
    private readonly behaviour: () => Behaviour,
    private readonly random: () => number = Math.random,
  ) {}

  /** A request that broke the provider's rules: its token is not even looked at. */
  reject(exchange: Exchange, subject: Subject, reply: Reply): void {
    this.record(exchange, subject, reply.status, reply.reason ?? 'rejected');
    this.send(exchange, subject.provider, reply, 0);
  }

  /** A request in order: what happens now is up to its token. */
  perform(exchange: Exchange, subject: Subject, wording: Wording): void {
    const rule = this.choose(subject);
    switch (rule.behaviour) {
      case 'ok':
      case 'slow': {
        const reply = wording.accepted();
        this.record(exchange, subject, reply.status, reply.reason ?? null);
        this.send(exchange, subject.provider, reply, rule.delayMs ?? 0);
        return;
      }
      case 'timeout':
        this.record(exchange, subject, 0, 'timeout');
        return;
      case 'reset':
        this.record(exchange, subject, 0, `reset ${rule.resetCode ?? 'cancel'}`);
        exchange.reset(rule.resetCode ?? 'cancel');
        return;
      case 'refuse':
        this.record(exchange, subject, 0, 'refuse');
        exchange.reset('refuse');
        return;
      case 'goaway':
        if (exchange.disown()) {
          this.record(exchange, subject, 0, 'goaway');
          return;
        }
        this.sayGoodbye(exchange, subject, wording);
        return;
      case 'unregistered':
      case 'expired':
      case 'stale':
      case 'badtoken':
      case 'mismatch':
      case 'thirdparty':
      case 'throttle':
      case 'quota':
      case 'unavailable':
      case 'internal':
      case 'expiredjwt':
      case 'answer': {
        const reply = wording.refused(rule);
        this.record(exchange, subject, reply.status, reply.reason ?? null);
        this.send(exchange, subject.provider, reply, 0);
        return;
      }
      default:
        rule.behaviour satisfies never;
    }
  }

  /** Goes on where a simulator before this one ended: a token's troubles are not played anew. */
  remember(entries: readonly WrittenEntry[]): void {
    for (const { provider, token, accepted } of entries) {
      if (parseToken(token).times === Infinity) continue;
      const key = `${provider} ${token}`;
      this.done.set(key, accepted ? Infinity : (this.done.get(key) ?? 0) + 1);
    }
  }

  /** Every token begins again. */
  forget(): void {
    this.done.clear();
  }

  private choose(subject: Subject): Rule {
    const rule = parseToken(subject.token);
    if (rule.behaviour === 'ok') return this.fault(subject.provider) ?? rule;
    if (rule.times === Infinity) return rule;
    const key = `${subject.provider} ${subject.token}`;
    const done = this.done.get(key) ?? 0;
    if (done >= rule.times) return parseToken('');
    if (done === 0 && this.done.size >= MAX_COUNTED) {
      const oldest = this.done.keys().next();
      if (oldest.done !== true) this.done.delete(oldest.value);
    }
    this.done.set(key, done + 1);
    return rule;
  }

  /** A random fault, when the operator asked for some. */
  private fault(provider: ServerName): Rule | undefined {
    const { faults } = this.behaviour()[provider];
    let drawn: number | undefined;
    for (const name in faults) {
      drawn ??= this.random();
      drawn -= faults[name] ?? 0;
      if (drawn < 0) return parseToken(`sim.${name satisfies string as BehaviourName}`);
    }
    return undefined;
  }

  /** Accepted, and the session closes behind it: the GOAWAY of a first stream, and of HTTP/1.1. */
  private sayGoodbye(exchange: Exchange, subject: Subject, wording: Wording): void {
    const reply = wording.accepted();
    this.record(exchange, subject, reply.status, reply.reason ?? null);
    this.send(exchange, subject.provider, reply, 0);
    exchange.connection.sayGoodbye();
  }

  private send(exchange: Exchange, provider: ServerName, reply: Reply, delayMs: number): void {
    const { latencyMs } = this.behaviour()[provider];
    const wait = delayMs + latencyMs;
    if (wait === 0) this.answer(exchange, provider, reply);
    else setTimeout(() => this.answer(exchange, provider, reply), wait).unref();
  }

  private answer(exchange: Exchange, provider: ServerName, reply: Reply): void {
    if (!this.behaviour()[provider].blackHole) exchange.reply(reply);
  }

  private record(
    exchange: Exchange,
    { provider, token, id }: Subject,
    status: number,
    reason: string | null,
  ): void {
    const accepted = reason === null && status === 200;
    const text = exchange.text();
    const body = text.length > MAX_KEPT ? Buffer.from(text.slice(0, MAX_KEPT)).toString() : text;
    const request = { headers: exchange.headers, body };
    this.ledger.record({ provider, token, id, at: Date.now(), status, reason, accepted, request });
  }
}
