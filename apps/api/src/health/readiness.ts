import type { Database } from '@app/persistence';
import type { HealthChecks } from '@app/platform';
import type { Leaving } from '../http/leaving.js';

/** What must be well for a balancer to send requests here. */
export function readiness(database: Database, leaving: Leaving): HealthChecks {
  return {
    database: () => database.ping(),
    accepting: () => {
      if (leaving.hasBegun) throw new Error('This process stops soon.');
    },
  };
}
