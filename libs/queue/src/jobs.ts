/**
 * The queue contract, whole: names and payloads. A payload holds ids and small values only; a new
 * field must be optional, since jobs of the release before are still waiting when a worker starts.
 */
export const DELIVER_FCM = 'deliver-fcm';
export const DELIVER_APN = 'deliver-apn';

export const QUEUES = [DELIVER_FCM, DELIVER_APN] as const;
export type QueueName = (typeof QUEUES)[number];

/**
 * One push notification to deliver: the job id is the push id (a UUID, never with a `:`), with `-again` where a job
 * under that one is in a hand that may be gone. A job of several has an id that says nothing: their claims keep them from being sent twice.
 */
export interface DeliverJob {
  /** UUID of the push notification. */
  id: string;
  /** Further ones, with DELIVERY_JOB_SIZE above 1. */
  more?: string[];
  /** Milliseconds since the epoch by the database's clock: when it was handed over. Jobs of a release before have none. */
  at?: number;
}

/** Asks a provider whether a credential works; the job's answer is a `CheckAnswer`. */
export const CHECK_CREDENTIAL = 'check-credential';

export interface CheckJob {
  accountId: string;
  credentialId: string;
  /** Milliseconds since the epoch: nobody waits for the answer any more. */
  until: number;
}

/** Nothing secret: it lies in the queue for a minute. */
export interface CheckAnswer {
  ok: boolean;
  /** A sentence for the operator. */
  detail: string;
}

/** BullMQ priority by lane: unprioritised jobs go before prioritised ones. */
export const LANE_PRIORITY = { small: undefined, bulk: 1 } as const;
export type Lane = keyof typeof LANE_PRIORITY;

/** What a producer hands over. */
export interface DeliveryToEnqueue {
  id: string;
  lane: Lane;
  /** Milliseconds until the job may start; 0 = at once. */
  delayMs: number;
  /** To the front of its lane. */
  first?: boolean;
}
