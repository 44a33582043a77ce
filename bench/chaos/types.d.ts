/** The shapes that the parts of the chaos rig share. */
import type { APPS } from './load.js';
import type { seeded } from './random.js';
import type {
  Json,
  ReadyInfo,
  RunningPostgres,
  RunningProcess,
  RunningRedis,
} from '../../scripts/types.js';

export type Random = ReturnType<typeof seeded>;

export type Backend = 'redis' | 'postgres';

export interface ChaosOptions {
  seconds: number;
  /** Pushes a second, on average. */
  rate: number;
  seed: number;
  backend: Backend;
  /** Pushes that a job carries at most. */
  jobSize: number;
  /** Kinds of faults, in the order of the table. */
  kinds: string[];
}

/** One fault of the schedule. */
export interface PlannedFault {
  /** Milliseconds from the begin of the load. */
  atMs: number;
  kind: string;
  /** Drawn once for whatever the fault has to choose, in [0, 1). */
  choice: number;
  /** The same for how long it lasts. */
  length: number;
}

export type App = (typeof APPS)[number];

export interface Device {
  provider: 'FCM' | 'APN';
  /** No other device has it. */
  token: string;
}

/** One request of the load. */
export interface PlannedRequest {
  /** Milliseconds after the one before. */
  gapMs: number;
  key: string;
  app: App;
  recipients: Device[];
  /** Recipients that are users: the devices that each has registered before. */
  users: Device[][];
  /** Recipients that are users whom nobody knows. */
  strangers: number;
  /** Seconds ahead; 0 = now. */
  inSeconds: number;
  ttlSeconds: number | undefined;
  dataOnly: boolean;
  /** Milliseconds after its 202; undefined = it is not canceled. */
  cancelAfterMs: number | undefined;
  /** One push of it or all. */
  cancel: 'one' | 'all';
}

/** What the caller knows of a request that was answered 202. */
export interface AcceptedRequest {
  key: string;
  /** As the answer said it. */
  operationId: string;
  /** One a push, those of users' devices too. */
  tokens: string[];
  /** Recipients without a push. */
  strangers: number;
  app: App;
  /** 0: a single attempt that comes to nothing is the end. */
  ttlSeconds: number | undefined;
  /** What of it was asked to be canceled, whether or not that was answered. */
  canceled: 'none' | 'one' | 'all';
  /** When that was answered with success; null: it was not. Milliseconds since the epoch. */
  canceledAtMs: number | null;
  /** When it is to be sent; null: at once. Milliseconds since the epoch. */
  sendAtMs: number | null;
}

/** When something was broken, in milliseconds since the epoch. */
export interface DoneFault {
  kind: string;
  fromMs: number;
  toMs: number;
}

export interface OperationRow {
  id: string;
  total: number;
  unaddressable: number;
  scheduled: number;
  queued: number;
  sent: number;
  failed: number;
  canceled: number;
}

export interface PushRow {
  id: string;
  operationId: string;
  token: string;
  provider: 'FCM' | 'APN';
  status: 'SCHEDULED' | 'QUEUED' | 'SENT' | 'FAILED' | 'CANCELED';
  /** How often it was claimed. */
  lease: number;
  /** Of those claims, the ends of the ones whose time ran out: nobody settled them or gave them back. Milliseconds since the epoch. */
  lostLeases: number[];
  unknownCount: number;
  /** Of docs/errors.md; null unless it is FAILED. */
  errorCode: number | null;
  /** Milliseconds since the epoch. */
  settledAtMs: number | null;
  attempts: {
    at: string;
    latencyMs: number;
    outcome: string;
    reason?: string;
    counted: boolean;
  }[];
}

/** A request that the provider answered, from the simulator's ledger. */
export interface Arrival {
  provider: 'fcm' | 'apns' | 'apnsSandbox';
  token: string;
  /** What the message says it is; null when it does not say. */
  id: string | null;
  /** When it arrived, in milliseconds since the epoch. */
  atMs: number;
  /** Of HTTP. */
  status: number;
}

/** All that the checker looks at. */
export interface Evidence {
  accepted: AcceptedRequest[];
  /** Tokens of requests that nobody could find out about. */
  unresolved: string[][];
  operations: OperationRow[];
  pushes: PushRow[];
  /** What the providers accepted. */
  arrivals: Arrival[];
  /** What they refused in words of their own. */
  refusals: Arrival[];
  /** What was broken, and when. */
  faults: DoneFault[];
  /** Tokens of devices that were registered for a user. */
  registered: string[];
  /** Of those, the ones that are registered at the end. */
  stillRegistered: string[];
  /** Counters that did not add up while it ran: repairs of the sweep, answers of the api. */
  wrongCounters: string[];
  /** Jobs that the sweep added again since they were gone. */
  lostJobs: number;
  /** `outstanding` of the credentials' windows when nothing was left to do. */
  outstanding: number[];
}

export type FindingKind = 'lost' | 'unaccounted' | 'duplicatesOutsideWindow';

export interface Finding {
  kind: FindingKind;
  what: string;
}

/** What the checker found: pushes, but for `unaccounted`, which counts contradictions. */
export interface Judgement {
  accepted: number;
  sent: number;
  failed: number;
  canceled: number;
  lost: number;
  unaccounted: number;
  duplicates: number;
  duplicatesOutsideWindow: number;
  findings: Finding[];
}

/** A process of the gateway that is started again whenever it ends. */
export interface Seat {
  readonly name: string;
  /** The process of the moment, or the one that ended last. */
  readonly running: RunningProcess<{ port?: number; metricsPort?: number }>;
  /** SIGKILL, and a new one after `downMs`. */
  kill(downMs: number): Promise<void>;
  /** SIGSTOP, and SIGCONT after `forMs`. */
  freeze(forMs: number): Promise<void>;
  /** A new one first, then SIGTERM for the old one. */
  roll(): Promise<void>;
  /** SIGTERM, and nobody follows. */
  close(): Promise<void>;
}

/** Everything that runs, and what can be done to it. */
export interface House {
  backend: Backend;
  /** Of the api of the moment. */
  readonly url: string;
  account: { sid: string; token: string };
  api: Seat;
  workers: [Seat, Seat];
  simulator: Seat & { readonly control: string };
  postgres: RunningPostgres;
  redis: RunningRedis | undefined;
  /** Of `npm run chaos`; gone with it. */
  dir: string;
  /** What ended without being asked to, with its last words. */
  readonly crashes: string[];
  /** SIGTERM was answered otherwise than by exit code 0. */
  readonly uncleanStops: string[];
  /** `PUT /behaviour` at the simulator. */
  behave(change: Json): Promise<void>;
  /** As the superuser of PostgreSQL, in the gateway's database. */
  asSuperuser(sql: string): Promise<void>;
  /** As the role of the service; throws while PostgreSQL is away. */
  query(sql: string): Promise<Json[]>;
  /** Moves the clock of the second worker. */
  shiftClock(ms: number): void;
  /** api and workers, by SIGTERM. */
  closeGateway(): Promise<void>;
}

export type Ready = ReadyInfo;

/** What a fault does. */
export interface FaultKind {
  /** One line for `--help` and the table. */
  what: string;
  /** Faults with a common part never overlap. */
  parts: ('api' | 'worker-1' | 'worker-2' | 'simulator' | 'redis' | 'postgres')[];
  /** Only where this backend runs. */
  only?: Backend;
  /** Does it and undoes it. */
  run(house: House, fault: PlannedFault): Promise<void>;
}

/** All that a run found out. */
export interface Outcome {
  options: ChaosOptions;
  /** How often each kind was done. */
  faults: Record<string, number>;
  /** Faults done in all. */
  cases: number;
  /** Requests that nobody answered, though nothing was broken any more. */
  unresolved: number;
  /** Jobs that the sweep added again since they were gone. */
  lostJobs: number;
  counts: {
    requests: number;
    unanswered: number;
    replayed: number;
    cancels: number;
    users: number;
  };
  /** From the last accepted request until nothing was left to do; null: something always was. */
  settledMs: number | null;
  crashes: readonly string[];
  uncleanStops: readonly string[];
  judgement: Judgement;
}
