import { PUSH_STATUSES } from '@app/domain';
import type { PushHistory, PushNotification as DomainPush } from '@app/domain';
import { z } from 'zod';
import { PreciseTimestamp } from './instants.js';

const at = PreciseTimestamp;

const Accepted = z.strictObject({ event: z.literal('accepted'), at }).meta({
  description: 'The push was stored.',
});
const Dispatched = z.strictObject({ event: z.literal('dispatched'), at }).meta({
  description:
    'It was handed over to the delivery queue for the first time. Before its first attempt is over: ' +
    'when pushes of this operation were handed over last, itself among them.',
});
const Tried = z
  .strictObject({
    event: z.literal('attempt'),
    at,
    outcome: z.string().meta({
      description: 'What it meant for the push; docs/states.md lists the outcomes.',
    }),
    counted: z.boolean().meta({ description: 'Whether it counts among `attempts`.' }),
    latencyMs: z.int().min(0).meta({ description: 'From handing over to the answer.' }),
    httpStatus: z.int().optional().meta({ description: 'Absent when no answer arrived.' }),
    reason: z.string().optional().meta({ description: "The provider's own name for it." }),
    message: z.string().optional().meta({ description: "The provider's own words." }),
  })
  .meta({ description: 'A try; the last 20 are kept, those that count before others.' });
const Redriven = z.strictObject({ event: z.literal('redriven'), at }).meta({
  description: 'The last Redrive. Tries of before stay listed above it.',
});
const Settled = z
  .strictObject({
    event: z.literal('settled'),
    at,
    status: z.enum(PUSH_STATUSES).exclude(['SCHEDULED', 'QUEUED']),
  })
  .meta({ description: 'How it ended; absent while something is left to do.' });

/** What happened to a push, oldest first. Never holds its token. */
export const Timeline = z.array(
  z.discriminatedUnion('event', [Accepted, Dispatched, Tried, Redriven, Settled]),
);
export type Timeline = z.output<typeof Timeline>;

/** Instants come from the clocks of several machines: the order is that of the events. */
export function toTimeline(push: DomainPush, history: PushHistory): Timeline {
  const { dispatchedAt, attempts, redrivenAt, settledAt } = history;
  const timeline: Timeline = [{ event: 'accepted', at: push.createdAt.toISOString() }];
  if (dispatchedAt !== null) {
    timeline.push({ event: 'dispatched', at: dispatchedAt.toISOString() });
  }
  const tries = attempts.map(({ at, outcome, counted, latencyMs, status, reason, message }) => ({
    event: 'attempt' as const,
    at,
    outcome,
    counted,
    latencyMs,
    ...(status === undefined ? {} : { httpStatus: status }),
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
  }));
  if (redrivenAt === null) {
    timeline.push(...tries);
  } else {
    const at = redrivenAt.toISOString();
    timeline.push(...tries.filter((one) => one.at < at));
    timeline.push({ event: 'redriven', at });
    timeline.push(...tries.filter((one) => one.at >= at));
  }
  if (settledAt !== null && push.status !== 'SCHEDULED' && push.status !== 'QUEUED') {
    timeline.push({ event: 'settled', at: settledAt.toISOString(), status: push.status });
  }
  return timeline;
}
