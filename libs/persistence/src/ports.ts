import type {
  Credential,
  CredentialType,
  Operation,
  OperationSettings,
  OperationStatus,
  ProviderKind,
  PushHistory,
  PushNotification,
  PushStatus,
  PushTarget,
  Scope,
  Tags,
  Uuid,
} from '@app/domain';

/** A send request, validated and resolved, ready to be committed. */
export interface NewOperation {
  settings: OperationSettings;
  scheduledFor: Date | null;
  /** Length of `to`. */
  recipients: number;
  /** As sent, kept on the operation; null without. */
  tags: Tags | null;
  /** Of single devices: one push each, in the order of `to`. */
  pushes: readonly NewPush[];
  /**
   * One push for each device that `credentials` can reach, in the order of `to`, before `pushes`. A user
   * without one counts in `total` and `unaddressable`.
   */
  users: readonly NewUserPush[];
  /** The App in force: devices of users are those registered there. */
  appName: string;
  /** Credential by provider; must hold an entry for every provider in `pushes`. */
  credentials: Partial<Record<ProviderKind, Uuid>>;
}

/** A user of `to`. */
export interface NewUserPush {
  id: Uuid;
  variables: Record<string, string> | null;
  /** As those of a push. */
  tags?: Tags;
}

export interface NewPush extends PushTarget {
  /** The user that the device was found by. */
  userId?: Uuid;
  /** Rendered for this recipient; absent: the tags of the operation, which hold no template then. */
  tags?: Tags;
}

/** Makes a request that is repeated under the same key happen once. */
export interface Once {
  /** The caller's, ≤ 255 characters. */
  key: string;
  /** SHA-256 of method, path and body: another one under the same key is refused. */
  fingerprint: Buffer;
}

/** What a request that may be a repetition led to. */
export interface Done {
  /** The resource that the (first) answer names. */
  id: Uuid;
  /** True: it was done before, nothing happened now. */
  replayed: boolean;
}

/** What to cancel or redrive: all of an operation, or one push. */
export type CommandTarget = { operationId: Uuid } | { pushId: Uuid };

export interface Page<T> {
  items: T[];
  /** Where the next page goes on (exclusive), null on the last. */
  next: Uuid | null;
}

/** Newest first, below `before` when given. */
export interface PageRequest {
  limit: number;
  before: Uuid | null;
}

export interface OperationFilter {
  status?: OperationStatus | undefined;
  /** Inclusive, on createdAt. */
  startDate?: Date | undefined;
  endDate?: Date | undefined;
}

export interface PushNotificationFilter {
  operationId?: Uuid | undefined;
  status?: PushStatus | undefined;
  provider?: ProviderKind | undefined;
  userId?: Uuid | undefined;
  /** All of them must be there. */
  tags?: readonly (readonly [key: string, value: string])[] | undefined;
  errorCode?: number | undefined;
  startDate?: Date | undefined;
  endDate?: Date | undefined;
}

export interface NewCredential {
  appName: string;
  credentialType: CredentialType;
  /** Absent: default when it is the first of its type in the App. */
  isDefault?: boolean | undefined;
  /** What gets sealed: the parsed content, JSON-serialisable. */
  secret: unknown;
  fingerprint: string;
  expiresAt: Date | null;
}

/** What takes the place of a credential's secret. */
export type CredentialContent = Pick<NewCredential, 'secret' | 'fingerprint' | 'expiresAt'>;

export interface CredentialFilter {
  appName?: string | undefined;
  credentialType?: CredentialType | undefined;
  isDefault?: boolean | undefined;
  /** Inclusive, on createdAt. */
  startDate?: Date | undefined;
  endDate?: Date | undefined;
}

export interface AppFilter {
  isDefault?: boolean | undefined;
  /** Inclusive, on createdAt. */
  startDate?: Date | undefined;
  endDate?: Date | undefined;
}

export interface NewDevice {
  appName: string;
  provider: ProviderKind;
  token: string;
  /** Absent: whoever has the token, else a new user. */
  userId?: Uuid | undefined;
}

export interface DeviceFilter {
  userId: Uuid;
  appName?: string | undefined;
}

export interface NewApiKey {
  name: string;
  scopes: readonly Scope[];
  /** SHA-256 of a long random value. */
  secretHash: Buffer;
}

/** An API key as authentication needs it. */
export interface StoredApiKey {
  accountId: Uuid;
  scopes: Scope[];
  secretHash: Buffer;
}

/** A push with what it takes to render it. */
export interface PushNotificationWithContent {
  push: PushNotification;
  settings: OperationSettings;
  history: PushHistory;
}

/** Which credentials a send may use: named ones, or the defaults of an App. */
export type CredentialSelector =
  { credentialIds: readonly Uuid[] } | { appName: string } | { defaultApp: true };

export interface AccountFinder {
  /** SHA-256 of the auth token, null for an unknown account. */
  findTokenHash(accountId: Uuid): Promise<Buffer | null>;
  /** Makes the account if absent; an existing one gets this token hash. */
  ensure(accountId: Uuid, tokenHash: Buffer): Promise<void>;
}

export interface ApiKeyFinder {
  /** The only finder without an account: the key tells which one it is. */
  findApiKey(id: Uuid): Promise<StoredApiKey | null>;
}

export type { Credential, Operation };
