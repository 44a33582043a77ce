import type { Uuid } from './ids.js';

export const PUSH_STATUSES = ['SCHEDULED', 'QUEUED', 'SENT', 'FAILED', 'CANCELED'] as const;
export type PushStatus = (typeof PUSH_STATUSES)[number];

export const PROVIDERS = ['FCM', 'APN'] as const;
export type ProviderKind = (typeof PROVIDERS)[number];

export const PRIORITIES = ['HIGH', 'LOW'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Liquid templates as the caller sent them; `body` may be absent when `data` is given. */
export interface Content {
  title?: string | undefined;
  body?: string | undefined;
  data?: Record<string, string> | undefined;
  /** https; not a template. */
  imageUrl?: string | undefined;
}

/** Merged last into what the provider gets; may not say where it goes. */
export interface Overrides {
  fcm?: Record<string, unknown> | undefined;
  apn?:
    | {
        headers?: Record<string, string> | undefined;
        aps?: Record<string, unknown> | undefined;
        payload?: Record<string, unknown> | undefined;
      }
    | undefined;
}

export type Tags = Record<string, string>;

/** What all pushes of one operation have in common. */
export interface OperationSettings {
  content: Content;
  priority: Priority;
  sound: string | null;
  /** Seconds, 0–2,419,200; 0 = exactly one attempt. */
  ttlSeconds: number;
  collapseKey: string | null;
  /** APNs badge, Android notification count. */
  badge: number | null;
  overrides: Overrides | null;
}

export const MAX_TTL_SECONDS = 2_419_200;

/** Who a push goes to, as the caller named it. */
export interface PushTarget {
  provider: ProviderKind;
  token: string;
  variables: Record<string, string> | null;
}

/** One counted or uncounted try, as it is kept on the push: the last 20, counted ones before others. */
export interface Attempt {
  /** RFC 3339 UTC, when the claim was handed to the provider. */
  at: string;
  /** Kind of the outcome. */
  outcome: string;
  /** HTTP status, absent when none arrived. */
  status?: number;
  /** The provider's own word. */
  reason?: string;
  /** The provider's own words, cleaned and capped. */
  message?: string;
  /** Milliseconds from handing over to the answer. */
  latencyMs: number;
  /** Whether it counts as an attempt. */
  counted: boolean;
}

/** What happened to a push, beside its state. */
export interface PushHistory {
  /** When its job was first added; for one that was not tried yet, no later than that; null: it waits. */
  dispatchedAt: Date | null;
  /** Oldest first; a redrive keeps those of before. */
  attempts: readonly Attempt[];
  /** The last redrive. */
  redrivenAt: Date | null;
  /** When it ended; null while something is left to do. */
  settledAt: Date | null;
}

/** A push notification as the api reads it. */
export interface PushNotification {
  id: Uuid;
  operationId: Uuid;
  status: PushStatus;
  target: PushTarget;
  credentialId: Uuid;
  priority: Priority;
  sound: string | null;
  createdAt: Date;
  updatedAt: Date;
  scheduledFor: Date | null;
  /** Counted attempts. */
  attempts: number;
  providerMessageId: string | null;
  error: { code: number; message: string } | null;
  /** Rendered when the send was accepted. */
  tags: Tags | null;
}
