import { serverNames, type ServerName } from './behaviour.js';
import { DistinctSet } from './distinct-set.js';

/** One push request as it arrived. */
export interface LedgerEntry {
  provider: ServerName;
  token: string;
  /** Which push it was: `apns-id`, or what an FCM message says of itself; null: it does not say. */
  id: string | null;
  /** Milliseconds since the epoch. */
  at: number;
  /** HTTP status answered; 0: none (silence, RST_STREAM, GOAWAY). */
  status: number;
  /** Why it was not accepted; null when it was. */
  reason: string | null;
  accepted: boolean;
  /** Only of the latest ones. */
  request: ArrivedRequest | null;
}

export interface ArrivedRequest {
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
}

export interface LedgerSummary {
  requests: number;
  accepted: number;
  /** Accepted, counting each (provider, token, id) once; one without id is always distinct. */
  distinctAccepted: number;
  duplicates: number;
  /** False once there were more keys than it can tell apart. */
  exact: boolean;
  /** Requests that only the counters remember. */
  forgotten: number;
  providers: Record<ServerName, { requests: number; accepted: number }>;
  /** Answers by `status` or `status reason`. */
  answers: Record<string, number>;
}

/** A token may choose its reason (`sim.answer…`), so the number of different ones is bounded here. */
const MAX_ANSWERS = 1_000;

/**
 * What arrived. Counters are exact for ever; the entries are a ring of `cap`, the latest `bodies`
 * of them with headers and body, so memory is bounded whatever is sent here.
 */
export class Ledger {
  private entries: LedgerEntry[] = [];
  private total = 0;
  private accepted = 0;
  private duplicates = 0;
  private readonly distinct = new DistinctSet();
  private perProvider = emptyProviders();
  private answers = new Map<string, number>();
  private readonly bodies: number;

  constructor(
    private readonly cap = 250_000,
    bodies = 1_000,
    /** Told of every entry before its answer leaves. */
    private readonly onRecord: (entry: LedgerEntry) => void = () => undefined,
  ) {
    this.bodies = Math.min(bodies, cap);
  }

  /** Writes one request down. A request is accepted when it arrives, not when the answer leaves. */
  record(entry: LedgerEntry): void {
    this.onRecord(entry);
    const index = this.total % this.cap;
    this.entries[index] = entry;
    if (this.total >= this.bodies) {
      const old = this.entries[(this.total - this.bodies) % this.cap];
      if (old !== undefined && old !== entry) old.request = null;
    }
    this.total += 1;

    const counters = this.perProvider[entry.provider];
    counters.requests += 1;
    if (entry.accepted) {
      counters.accepted += 1;
      this.accepted += 1;
      if (entry.id !== null) {
        const kind = serverNames.indexOf(entry.provider);
        if (!this.distinct.add(kind, entry.token, entry.id)) this.duplicates += 1;
      }
    }
    let answer = entry.reason === null ? String(entry.status) : `${entry.status} ${entry.reason}`;
    if (this.answers.size >= MAX_ANSWERS && !this.answers.has(answer)) answer = 'other';
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
  }

  /** Oldest first. */
  *all(): Generator<LedgerEntry> {
    const held = this.entries.length;
    const start = this.total > this.cap ? this.total % this.cap : 0;
    for (let i = 0; i < held; i += 1) {
      const entry = this.entries[(start + i) % held];
      if (entry !== undefined) yield entry;
    }
  }

  /** The latest `limit` entries that fit, oldest first. */
  find(filter: { token?: string; id?: string }, limit = 1_000): LedgerEntry[] {
    const found: LedgerEntry[] = [];
    for (const entry of this.all()) {
      if (filter.token !== undefined && entry.token !== filter.token) continue;
      if (filter.id !== undefined && entry.id !== filter.id) continue;
      found.push(entry);
    }
    return limit < found.length ? found.slice(found.length - limit) : found;
  }

  summary(): LedgerSummary {
    return {
      requests: this.total,
      accepted: this.accepted,
      distinctAccepted: this.accepted - this.duplicates,
      duplicates: this.duplicates,
      exact: this.distinct.exact,
      forgotten: Math.max(0, this.total - this.cap),
      providers: structuredClone(this.perProvider),
      answers: Object.fromEntries(this.answers),
    };
  }

  clear(): void {
    this.entries = [];
    this.total = 0;
    this.accepted = 0;
    this.duplicates = 0;
    this.distinct.clear();
    this.perProvider = emptyProviders();
    this.answers = new Map();
  }
}

function emptyProviders(): Record<ServerName, { requests: number; accepted: number }> {
  return {
    fcm: { requests: 0, accepted: 0 },
    apns: { requests: 0, accepted: 0 },
    apnsSandbox: { requests: 0, accepted: 0 },
  };
}
