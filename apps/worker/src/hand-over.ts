import type { ProviderKind, Uuid } from '@app/domain';
import type { DispatchLane } from '@app/persistence';
import {
  DELIVER_APN,
  DELIVER_FCM,
  type DeliveryProducer,
  type DeliveryToEnqueue,
  type QueueName,
} from '@app/queue';

const QUEUE_OF: Record<ProviderKind, QueueName> = { FCM: DELIVER_FCM, APN: DELIVER_APN };

export interface PushToQueue {
  id: Uuid;
  provider: ProviderKind;
  lane: DispatchLane;
  delayMs: number;
  /** Before all others of its lane. */
  first?: boolean;
}

/**
 * One job a push, on the queue of its provider.
 *
 * @throws QueueUnavailable when the queue does not answer in time; what was added does no harm.
 */
export async function handOver(
  producer: Pick<DeliveryProducer, 'enqueue'>,
  pushes: readonly PushToQueue[],
  timeoutMs: number,
): Promise<void> {
  const queues = new Map<QueueName, DeliveryToEnqueue[]>();
  for (const { provider, ...delivery } of pushes) {
    const queue = QUEUE_OF[provider];
    const deliveries = queues.get(queue) ?? [];
    deliveries.push(delivery);
    queues.set(queue, deliveries);
  }
  await Promise.all(
    [...queues].map(([queue, deliveries]) => producer.enqueue(queue, deliveries, timeoutMs)),
  );
}
