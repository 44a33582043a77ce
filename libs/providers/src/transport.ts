import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { Random } from '@app/domain';
import { FlightLimit } from './http2/flight-limit.js';
import { poolDefaults } from './http2/pool-options.js';
import { SessionPool } from './http2/session-pool.js';
import { Ticker } from './http2/ticker.js';
import type { ProviderOptions } from './port.js';
import { trustedRoots } from './trusted-roots.js';

/** How a vendor wants to be connected to. */
export interface VendorLimits {
  maxSessions: number;
  maxStreamsPerSession: number;
  oneStreamUntilAnswered: boolean;
}

/** Makes the session pools of all credentials: one timer and one parsed set of roots for all. */
export class Transport {
  private readonly ticker = new Ticker();
  private readonly everybody: FlightLimit;
  private readonly ca: string[] | undefined;
  private readonly context: SecureContext | undefined;

  constructor(
    private readonly options: ProviderOptions,
    private readonly random: Random = Math.random,
  ) {
    this.everybody = new FlightLimit(options.maxInFlight);
    this.ca = trustedRoots(options.ca);
    // Parsing the roots takes milliseconds: once, not per connection.
    this.context = this.ca && createSecureContext({ ca: this.ca });
  }

  /** @param client certificate and key that the connection shows. */
  pool(
    origin: string,
    limits: VendorLimits,
    client?: { certificate: string; privateKey: string },
  ): SessionPool {
    const { options } = this;
    const secureContext =
      client === undefined
        ? this.context
        : createSecureContext({
            cert: client.certificate,
            key: client.privateKey,
            ...(this.ca && { ca: this.ca }),
          });
    return new SessionPool(
      {
        ...poolDefaults,
        ...limits,
        origin,
        secureContext,
        maxInFlight: Math.min(
          options.credentialMaxInFlight ?? Number.POSITIVE_INFINITY,
          limits.maxSessions * limits.maxStreamsPerSession,
        ),
        slotWaitMs: options.slotWaitMs ?? poolDefaults.slotWaitMs,
        maxSessionAgeMs: options.maxSessionAgeMs ?? poolDefaults.maxSessionAgeMs,
        requestTimeoutMs: options.requestTimeoutMs,
        connectTimeoutMs: Math.min(options.requestTimeoutMs, poolDefaults.connectTimeoutMs),
        pingIntervalMs: options.pingIntervalMs,
        pingTimeoutMs: options.pingTimeoutMs,
      },
      this.ticker,
      this.random,
      this.everybody,
    );
  }

  /** True while any pool has connections or waiting requests. */
  get busy(): boolean {
    return this.ticker.running;
  }
}
