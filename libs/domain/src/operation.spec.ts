import { describe, expect, it } from '@jest/globals';
import { operationStatus } from './operation.js';
import type { OperationStatus } from './operation.js';

const NONE = { scheduled: 0, queued: 0, sent: 0, failed: 0, canceled: 0, unaddressable: 0 };

function statusOf(counts: Partial<typeof NONE>): OperationStatus {
  const stats = { ...NONE, ...counts };
  return operationStatus({ ...stats, total: Object.values(stats).reduce((a, b) => a + b) });
}

describe('operationStatus', () => {
  it.each<[Partial<typeof NONE>, OperationStatus]>([
    [{ scheduled: 2 }, 'SCHEDULED'],
    [{ scheduled: 1, canceled: 1 }, 'SCHEDULED'],
    [{ scheduled: 1, unaddressable: 1 }, 'SCHEDULED'],
    [{ scheduled: 1, queued: 1 }, 'PROCESSING'],
    [{ scheduled: 1, sent: 1 }, 'PROCESSING'],
    [{ scheduled: 1, failed: 1 }, 'PROCESSING'],
    [{ queued: 1 }, 'PROCESSING'],
    [{ queued: 1, sent: 5, failed: 1 }, 'PROCESSING'],
    [{ sent: 3 }, 'COMPLETED'],
    [{ failed: 3 }, 'COMPLETED'],
    [{ sent: 1, canceled: 2 }, 'COMPLETED'],
    [{ canceled: 3 }, 'CANCELED'],
    [{ canceled: 3, unaddressable: 1 }, 'CANCELED'],
    [{ unaddressable: 3 }, 'COMPLETED'],
  ])('%j → %s', (counts, status) => {
    expect(statusOf(counts)).toBe(status);
  });
});
