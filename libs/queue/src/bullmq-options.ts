import type { JobsOptions, WorkerOptions } from 'bullmq';
import { LANE_PRIORITY } from './jobs.js';
import type { DeliveryToEnqueue } from './jobs.js';
import type { DeliveryWorkerOptions } from './connection.js';

/** Nobody reads BullMQ's event stream; this is only how much of it is kept. */
export const EVENTS_KEPT = 100;

/**
 * No job is kept when it ends, however it ends: BullMQ silently drops an add under the id of a job
 * that it still has, and a push must be able to come back.
 */
export function jobOptions({
  id,
  lane,
  delayMs,
  first,
}: Omit<DeliveryToEnqueue, 'id'> & { id?: string }): JobsOptions {
  const priority = LANE_PRIORITY[lane];
  return {
    ...(id === undefined ? {} : { jobId: id }),
    attempts: 1,
    removeOnComplete: true,
    removeOnFail: true,
    delay: Math.max(0, Math.ceil(delayMs)),
    ...(first === true ? { lifo: true } : {}),
    ...(priority === undefined ? {} : { priority }),
  };
}

/** What both backends' Workers have in common. */
export function workerOptions({
  concurrency,
  lockMs,
  stalledIntervalMs,
}: DeliveryWorkerOptions): Omit<WorkerOptions, 'connection'> {
  return {
    concurrency,
    lockDuration: lockMs,
    stalledInterval: stalledIntervalMs,
    // PostgreSQL knows how often a push was tried; the queue must never give one up.
    maxStalledCount: 1_000_000,
    // Seconds: after so long an idle Worker looks by itself, should it have missed a wake-up.
    drainDelay: 1,
    // Milliseconds until a lost connection is tried again (default 15 s).
    runRetryDelay: 500,
  };
}
