import type { PushStatus } from './push-notification.js';

/**
 * The moves that a caller or the clock makes, by set and in SQL; those that an attempt makes are in
 * settle.ts. docs/states.md draws both.
 */
interface Move {
  readonly from: readonly PushStatus[];
  readonly to: PushStatus;
}

/** The time of a scheduled push has come. */
export const begun = { from: ['SCHEDULED'], to: 'QUEUED' } as const satisfies Move;

/** The caller takes back what nobody is sending right now. */
export const canceled = { from: ['SCHEDULED', 'QUEUED'], to: 'CANCELED' } as const satisfies Move;

/** The time of a push is over that nobody tries: it waits behind a pause, or its queue is away. */
export const expired = { from: ['QUEUED'], to: 'FAILED' } as const satisfies Move;

/** The caller has a failed push sent again, as the same resource and with fresh attempts. */
export const redriven = { from: ['FAILED'], to: 'QUEUED' } as const satisfies Move;
