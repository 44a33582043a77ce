import type { Account, ApiClient, Json, ReadyInfo, RunningProcess } from '../scripts/types.js';
import type { ContenderName } from './engine/types.js';

export interface BenchContext {
  /** A fresh folder for this run. */
  dir: string;
  /** Small numbers, one round: shows that it works, measures nothing. */
  quick: boolean;
  /** 10 million stored pushes too. */
  large: boolean;
  rounds: number;
  /** Where api and workers leave a CPU profile when they end. */
  cpuProf?: string | undefined;
  /** gateway: only the cases whose name has this text. */
  cases?: string | undefined;
  log: (line: string) => void;
}

export interface EngineRun {
  provider: 'FCM' | 'APN';
  contender: ContenderName;
  latencyMs: number;
  messagesPerSecond: number;
  /** Of the sender's process, user and system, a message. */
  cpuUs: number;
  peakMb: number;
  connections: number;
  notAccepted: number;
  /** Of the simulator's process, a message. */
  simulatorCpuUs: number;
}

export interface EngineFigures {
  runs: EngineRun[];
  /** Ours divided by the other's. */
  ratios: {
    provider: 'FCM' | 'APN';
    latencyMs: number;
    than: ContenderName;
    messagesPerSecond: number;
    cpuUs: number;
  }[];
}

/** CPU milliseconds, or microseconds a push, by process. */
export interface Costs {
  api: number;
  /** All workers together. */
  worker: number;
  postgres: number;
  redis: number;
  simulator: number;
}

export interface StageOptions {
  dir: string;
  cpuProf?: string | undefined;
  backend: 'redis' | 'postgres';
  workers: number;
  env?: Record<string, string>;
}

export interface Stage {
  url: string;
  databaseUrls: { ownerUrl: string; appUrl: string };
  /** Of the account that has credentials in an App. */
  client: ApiClient;
  /** Gives an account credentials of its own. */
  tenant(account: Account): Promise<ApiClient>;
  otherAccount(): Promise<Account>;
  query(text: string, values?: unknown[]): Promise<Json[]>;
  control(method: string, path: string, body?: unknown): Promise<Json>;
  workers: RunningProcess<ReadyInfo['worker']>[];
  costs(): Costs;
  /** Of one worker: the largest. */
  peakMb(): { api: number; worker: number; redis: number; simulator: number };
  close(): Promise<void>;
}

export interface Spread {
  p50: number;
  p95: number;
  p99: number;
}

export interface GatewayCase {
  backend: 'redis' | 'postgres';
  workers: number;
  jobSize: number;
  /** Operations of 10,000, or of one at a fixed rate. */
  shape: 'bulk' | 'single';
}

export interface GatewayRun {
  pushes: number;
  /** From the first request to the last operation's readable end. */
  pushesPerSecond: number;
  acceptSeconds: number;
  cpuUs: Costs;
  /** From accept to the provider. */
  latencyMs: Spread;
  peakMb: { api: number; worker: number; redis: number; simulator: number };
  failed: number;
  duplicates: number;
}

export interface PeerRun {
  pushesPerSecond: number;
  cpuUs: { server: number; postgres: number; simulator: number };
  peakMb: number;
  arrived: number;
  /** That it reported so. */
  failed: number;
}

export interface GatewayFigures {
  recipients: number;
  rate: number;
  runs: (GatewayCase & GatewayRun)[];
  parseServer: PeerRun | null;
}

export interface ParseServerAssignment {
  databaseUrl: string;
  appId: string;
  masterKey: string;
  apns: Record<string, unknown>;
}

export interface AcceptRun {
  /** Of a request. */
  recipients: number;
  ms: Spread;
}

export interface AcceptFigures {
  idle: AcceptRun[];
  /** While workers deliver a backlog. */
  loaded: AcceptRun[];
  /** Of the api. */
  peakMb: number;
}

export interface FairnessFigures {
  /** Of the single pushes, a second. */
  rate: number;
  runs: {
    backlog: number;
    /** Recipients of an operation of the backlog. */
    size: number;
    idleMs: Spread;
    besideMs: Spread;
    /** Of the medians. */
    ratio: number;
    /** Single pushes while the backlog waited. */
    sent: number;
    backlogPerSecond: number;
    peakMb: { api: number; worker: number; redis: number; simulator: number };
  }[];
  /** Beside pushes that wait behind a pause, and without them, in turn. */
  paused: {
    backlog: number;
    withoutMs: Spread;
    besideMs: Spread;
    /** Of the medians. */
    ratio: number;
    /** Of the pushes behind the pause; all of it should be none. */
    claims: number;
    attempts: number;
    handedOver: number;
    jobs: number;
  };
}

/** Pages that the statements of one call touch, found in memory or not. */
export interface Pages {
  /** Of 100 recipients, like dispatch, claim and settle. */
  send: number;
  dispatch: number;
  claim: number;
  settle: number;
  /** 50 of them. */
  list: number;
  fetch: number;
  operation: number;
}

export interface GrowthCall {
  p50: number;
  p95: number;
  /** Beside the smallest database of the run. */
  p50Ratio: number;
  p95Ratio: number;
}

export interface GrowthCalls {
  list: GrowthCall;
  fetch: GrowthCall;
  operation: GrowthCall;
  send: GrowthCall;
}

export interface GrowthFigures {
  sizes: { pushes: number; calls: GrowthCalls; pages: Pages }[];
}

/** What `--json` prints. */
export interface BenchFigures {
  machine: Record<string, string | number>;
  /** The day. */
  measuredAt: string;
  quick: boolean;
  rounds: number;
  seconds: number;
  engine?: EngineFigures;
  gateway?: GatewayFigures;
  accept?: AcceptFigures;
  growth?: GrowthFigures;
  fairness?: FairnessFigures;
}
