import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export { Registry } from 'prom-client';
export type { Counter, Gauge, Histogram } from 'prom-client';

/** Upper bounds in seconds that suit both an HTTP answer and a provider's. */
const SECONDS_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30];

/** The metrics of one process: a registry of its own, so that tests run side by side. */
export class Metrics {
  readonly registry = new Registry();

  /** @param process becomes the label `process` of every metric. */
  constructor(process: string, options: { defaults?: boolean } = {}) {
    this.registry.setDefaultLabels({ process });
    if (options.defaults ?? true) collectDefaultMetrics({ register: this.registry });
  }

  counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  /** @param collect called at each scrape; sets the gauge. It must not throw. */
  gauge<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    collect?: (gauge: Gauge<L>) => void | Promise<void>,
  ): Gauge<L> {
    return new Gauge<L>({
      name,
      help,
      labelNames,
      registers: [this.registry],
      ...(collect === undefined
        ? {}
        : {
            collect() {
              return collect(this);
            },
          }),
    });
  }

  /** A histogram of durations, observed in seconds. */
  seconds<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: number[] = SECONDS_BUCKETS,
  ): Histogram<L> {
    return new Histogram({ name, help, labelNames, buckets, registers: [this.registry] });
  }
}
