import { z } from 'zod';
import { behaviours } from './rules.js';

export const serverNames = ['fcm', 'apns', 'apnsSandbox'] as const;
export type ServerName = (typeof serverNames)[number];

/** How one of the three servers behaves whatever the token says. */
export interface ServerBehaviour {
  /** Connections are cut and new ones refused. */
  down: boolean;
  /** Connections stay open, but nothing is read from them any more, PINGs neither. */
  blackHole: boolean;
  /** Added to every answer. */
  latencyMs: number;
  /** SETTINGS_MAX_CONCURRENT_STREAMS; APNs: after the first authenticated answer. */
  maxConcurrentStreams: number;
  /** Behaviour → probability, for tokens that ask for nothing. */
  faults: Readonly<Record<string, number>>;
}

/** What Google's token endpoint is made to answer; `null`: the truth. */
export interface TokenEndpointBehaviour {
  status: number;
  error: string;
}

export interface Behaviour {
  fcm: ServerBehaviour;
  apns: ServerBehaviour;
  apnsSandbox: ServerBehaviour;
  tokenEndpoint: TokenEndpointBehaviour | null;
  /** Moves the clock by which bearers and JWTs are judged. */
  clockOffsetSeconds: number;
}

const probability = z.number().min(0).max(1);

/** `PUT /behaviour`: only what is named changes; without `provider` it changes for all three. */
export const behaviourChangeSchema = z.strictObject({
  provider: z.enum(serverNames).optional(),
  down: z.boolean().optional(),
  blackHole: z.boolean().optional(),
  latencyMs: z.number().int().min(0).max(600_000).optional(),
  maxConcurrentStreams: z.number().int().min(1).max(100_000).optional(),
  faults: z.partialRecord(z.enum(behaviours), probability).optional(),
  tokenEndpoint: z
    .strictObject({
      status: z.number().int().min(400).max(599).default(400),
      error: z.string().min(1).max(100).default('invalid_grant'),
    })
    .nullable()
    .optional(),
  clockOffsetSeconds: z.number().int().optional(),
});

export type BehaviourChange = z.input<typeof behaviourChangeSchema>;

/** A well-behaved provider: FCM allows 100 streams a session, APNs 1,000 once it knows the caller. */
export function defaultBehaviour(): Behaviour {
  return {
    fcm: quiet(100),
    apns: quiet(1_000),
    apnsSandbox: quiet(1_000),
    tokenEndpoint: null,
    clockOffsetSeconds: 0,
  };
}

function quiet(maxConcurrentStreams: number): ServerBehaviour {
  return { down: false, blackHole: false, latencyMs: 0, maxConcurrentStreams, faults: {} };
}

/** The behaviour after a change; the one given is left as it was. */
export function changeBehaviour(
  current: Behaviour,
  change: z.output<typeof behaviourChangeSchema>,
): Behaviour {
  const { provider, tokenEndpoint, clockOffsetSeconds, ...server } = change;
  const next: Behaviour = { ...current };
  for (const name of provider === undefined ? serverNames : [provider]) {
    const { faults, ...plain } = { ...current[name], ...server };
    next[name] = { ...plain, faults: nonZero(faults) };
  }
  if (tokenEndpoint !== undefined) next.tokenEndpoint = tokenEndpoint;
  if (clockOffsetSeconds !== undefined) next.clockOffsetSeconds = clockOffsetSeconds;
  return next;
}

/** Dropping zeros lets the hot path ask only "is there any fault at all?". */
function nonZero(faults: Readonly<Record<string, number | undefined>>): Record<string, number> {
  const kept: Record<string, number> = {};
  for (const [name, rate] of Object.entries(faults)) {
    if (rate !== undefined && rate > 0) kept[name] = rate;
  }
  return kept;
}
