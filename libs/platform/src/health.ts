import { within } from './within.js';

/** A check throws or rejects when its thing is unhealthy. */
export type HealthCheck = () => void | Promise<void>;
export type HealthChecks = Record<string, HealthCheck>;

export interface HealthReport {
  ok: boolean;
  /** By check. Reasons go to the log only: they name hosts and users. */
  checks: Record<string, 'ok' | 'failed'>;
  failures: Record<string, unknown>;
}

/** Runs all checks at once; one that takes longer than `timeoutMs` has failed. */
export async function runHealthChecks(
  checks: HealthChecks,
  timeoutMs = 2_000,
): Promise<HealthReport> {
  const report: HealthReport = { ok: true, checks: {}, failures: {} };
  await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      try {
        await withinTime(check, timeoutMs);
        report.checks[name] = 'ok';
      } catch (error) {
        report.ok = false;
        report.checks[name] = 'failed';
        report.failures[name] = error;
      }
    }),
  );
  return report;
}

async function withinTime(check: HealthCheck, timeoutMs: number): Promise<void> {
  // An own async function, so that one that throws rejects.
  await within((async () => check())(), timeoutMs, () => {
    throw new Error(`No answer within ${timeoutMs} ms.`);
  });
}
