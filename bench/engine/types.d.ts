export interface ContenderOptions {
  provider: 'FCM' | 'APN';
  /** Of the provider's server. */
  origin: string;
  tokenUrl: string;
  /** PEM. */
  ca: string;
  fcm: { projectId: string; clientEmail: string; privateKey: string };
  /** The key as PEM. */
  apn: { signingKey: string; keyId: string; teamId: string; topic: string };
  /** Messages at once. */
  inFlight: number;
}

/** One at a time, or by the batch as the library wants it. */
export type Contender = { close(): Promise<void> } & (
  | {
      /** @returns whether the provider took it. */
      send(token: string): Promise<boolean>;
    }
  | {
      batch: number;
      /** @returns how many the provider took. */
      sendBatch(tokens: string[]): Promise<number>;
    }
);

export type ContenderName = 'bare' | 'ours' | 'sendEach' | 'send' | 'provider';

/** What a contender's process is told. */
export interface Assignment extends ContenderOptions {
  contender: ContenderName;
  count: number;
  warmUp: number;
}

/** What it answers. */
export interface Measured {
  seconds: number;
  cpuMs: number;
  peakBytes: number;
  accepted: number;
}
