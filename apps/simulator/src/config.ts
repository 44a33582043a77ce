import { z } from 'zod';

const port = z.coerce.number().int().min(0).max(65_535);
const count = z.coerce.number().int().min(1);

/** Everything the simulator takes from its environment. Port 0 means: any free one. */
export const environmentSchema = z.object({
  /** Keeps `ca.pem` and `simulator.json`, so that credentials handed out survive a restart. */
  SIMULATOR_DIR: z.string().min(1).default('.data/simulator'),
  SIMULATOR_HOST: z.string().min(1).default('127.0.0.1'),
  /** The name clients reach it by: it goes into the origins and into the server certificate. */
  SIMULATOR_PUBLIC_HOST: z
    .string()
    .regex(/^[A-Za-z0-9.-]+$/, 'must be a host name or an IPv4 address')
    .default('localhost'),
  SIMULATOR_FCM_PORT: port.default(0),
  SIMULATOR_APNS_PORT: port.default(0),
  SIMULATOR_APNS_SANDBOX_PORT: port.default(0),
  SIMULATOR_CONTROL_PORT: port.default(0),
  /** Plain HTTP without a password: leave it on loopback unless the network is yours. */
  SIMULATOR_CONTROL_HOST: z.string().min(1).default('127.0.0.1'),
  /** Requests that the ledger remembers one by one; its counters never forget. */
  SIMULATOR_LEDGER_CAP: count.max(10_000_000).default(250_000),
  /** Of those, how many keep their headers and body. */
  SIMULATOR_LEDGER_BODIES: count.max(1_000_000).default(1_000),
  /** Every request is appended to this file before its answer leaves; absent: none. */
  SIMULATOR_LEDGER_FILE: z.string().min(1).optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  /** Stop when the process that started this one is gone. */
  EXIT_WITH_PARENT: z
    .enum(['true', 'false'])
    .default('false')
    .transform((value) => value === 'true'),
});

export type SimulatorConfig = z.output<typeof environmentSchema>;

/**
 * Reads the configuration. A variable that is set but empty counts as absent, as in a Compose file.
 *
 * @throws Error that lists every fault, one a line.
 */
export function readConfig(
  environment: Record<string, string | undefined> = process.env,
): SimulatorConfig {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = environmentSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`The simulator's configuration is wrong:\n${faults.join('\n')}`);
}
