import { describe, expect, it } from '@jest/globals';
import { settlement } from './testing.js';
import { WorkerMetrics } from './worker-metrics.js';

describe('WorkerMetrics', () => {
  it('counts settlements that changed something, by the state that really followed', async () => {
    const metrics = new WorkerMetrics();
    metrics.onCommitted(
      [
        settlement({ id: 'sent' }),
        settlement({ id: 'retried', to: 'QUEUED' }),
        settlement({ id: 'canceled', to: 'QUEUED' }),
        settlement({ id: 'taken over', to: 'QUEUED' }),
      ],
      {
        changed: new Set(['sent', 'retried', 'canceled']),
        canceled: new Set(['canceled']),
        paused: new Set(),
      },
    );
    const text = await metrics.registry.metrics();
    const counts = text.match(/^fanfare_settlements_total\{.*$/gm);
    expect(counts?.map((line) => line.replace(/.*to="(\w+)".* (\d+)$/, '$1 $2')).sort()).toEqual([
      'CANCELED 1',
      'QUEUED 1',
      'SENT 1',
    ]);
  });
});
