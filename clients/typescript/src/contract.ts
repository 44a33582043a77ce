/** Generated from openapi.json: do not edit. */

export interface OperationList {
  operations: Operation[];
  pagination: Pagination;
}

export interface Operation {
  id: string;
  status: 'SCHEDULED' | 'PROCESSING' | 'COMPLETED' | 'CANCELED';
  /** At every instant scheduled + queued + sent + failed + canceled + unaddressable = total. */
  stats: {
    total: number;
    /** Length of `to`. */
    recipients: number;
    /** Users without a usable device. */
    unaddressable: number;
    scheduled: number;
    queued: number;
    sent: number;
    failed: number;
    canceled: number;
  };
  createdAt: string;
  updatedAt: string;
  /** As sent: templates unrendered. */
  tags: Record<string, string>;
  scheduledFor: string | null;
  /** When nothing was left to do. */
  completedAt: string | null;
}

export interface Pagination {
  /** Token of the next page, null on the last. */
  next: string | null;
  /** Token of this page. */
  self: string;
}

export interface ErrorBody {
  code: number;
  message: string;
  /** HTTP status. */
  status: number;
  /** One item a fault found, up to 100. */
  errors: {
    code: number;
    message: string;
    /** JSONPath. */
    context: string;
  }[];
}

export interface OperationErrorList {
  errors: OperationError[];
  pagination: Pagination;
}

export interface OperationError {
  /** Null for a user that no push was made for. */
  pushNotificationId: string | null;
  to: Recipient;
  /** Codes are listed in docs/errors.md. */
  code: number;
  message: string;
  at: string;
}

export type Recipient = TokenRecipient | UserRecipient;

/** One device. */
export interface TokenRecipient {
  /** Device token, opaque. */
  token: string;
  provider: 'FCM' | 'APN';
  /** Values for the templates, at most 100 and 32 KB a recipient. */
  variables?: Record<string, string> | undefined;
}

/** Every device of a user in the App in force: that of `from`, else the default App. Devices that the send has no credential for are left out; a user who is unknown or left without a device is counted as unaddressable. At most 100,000 pushes may come of one request. */
export interface UserRecipient {
  userId: string;
  /** Values for the templates, at most 100 and 32 KB a recipient. */
  variables?: Record<string, string> | undefined;
}

export interface ResourceAccepted {
  resourceId: string;
  resourceLocation: string;
}

export type CredentialCreate =
  | {
      credentialType: 'FCM';
      content: FcmCredentialContent;
      /** Name of an App. */
      appName: string;
      /** The first of its type in an App is the default anyway. */
      isDefault?: boolean | undefined;
    }
  | {
      credentialType: 'APN' | 'APN_SANDBOX';
      content:
        ApnTokenCredentialContent | ApnCertificateCredentialContent | ApnPkcs12CredentialContent;
      /** Name of an App. */
      appName: string;
      /** The first of its type in an App is the default anyway. */
      isDefault?: boolean | undefined;
    };

export interface FcmCredentialContent {
  /** Service-account JSON, base64. */
  privateKey: string;
}

export interface ApnTokenCredentialContent {
  /** The .p8 file, base64. */
  signingKey: string;
  keyId: string;
  teamId: string;
  /** Bundle id. */
  topic: string;
}

export interface ApnCertificateCredentialContent {
  /** PEM, base64. */
  certificate: string;
  /** PEM, base64. */
  privateKey: string;
  /** Bundle id, when the certificate carries several. */
  topic?: string | undefined;
}

export interface ApnPkcs12CredentialContent {
  /** The .p12 file, base64. Kept as PEM. */
  pkcs12: string;
  /** Of the file; left out: none. */
  passphrase?: string | undefined;
  /** Bundle id, when the certificate carries several. */
  topic?: string | undefined;
}

export interface CredentialList {
  credentials: Credential[];
  pagination: Pagination;
}

export interface Credential {
  id: string;
  credentialType: 'FCM' | 'APN' | 'APN_SANDBOX';
  isDefault: boolean;
  /** Name of an App. */
  appName: string;
  /** SHA-256 of the public part: tells which key is stored. */
  fingerprint: string;
  /** Certificates only. */
  expiresAt: string | null;
  status: 'OK' | 'FAILING';
  /** FAILING: what the provider said; nothing is sent with it until one push gets through again, which is tried by itself, and at once after a rotation. OK: a warning that concerns some pushes only, or null. */
  statusReason: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface DefaultChange {
  /** `true` moves the mark here; `false` on the default is a conflict. */
  isDefault: boolean;
}

export type CredentialContent =
  | FcmCredentialContent
  | ApnTokenCredentialContent
  | ApnCertificateCredentialContent
  | ApnPkcs12CredentialContent;

export interface CredentialCheck {
  ok: boolean;
  /** A sentence, with the provider's words when it refused. */
  detail: string;
}

export interface Register {
  /** Name of an App. */
  appName: string;
  /** Device token, opaque. */
  token: string;
  provider: 'FCM' | 'APN';
  /** Whose device it is. Left out: whoever has this token in this App already, else a new user. */
  userId?: string | undefined;
}

export interface DeviceRegistrationList {
  deviceRegistrations: DeviceRegistration[];
  pagination: Pagination;
}

/** The devices of a user in an App: one registration a pair. */
export interface DeviceRegistration {
  id: string;
  /** Name of an App. */
  appName: string;
  userId: string;
  devices: Device[];
  /** Its App and its user. */
  related: RelatedResource[];
}

export interface Device {
  /** Device token, opaque. */
  token: string;
  provider: 'FCM' | 'APN';
}

export interface RelatedResource {
  name: 'App' | 'User';
  uri: string;
}

export interface AppList {
  apps: App[];
  pagination: Pagination;
}

export interface App {
  /** Name of an App. */
  name: string;
  /** A send without `from` uses this App. */
  isDefault: boolean;
  /** At most one of each type. */
  defaultCredentials: {
    credentialType: 'FCM' | 'APN' | 'APN_SANDBOX';
    credentialId: string;
  }[];
  createdAt: string;
  updatedAt: string;
}

export interface UserList {
  users: User[];
  pagination: Pagination;
}

export interface User {
  id: string;
  createdAt: string;
  updatedAt: string;
  /** A deleted user has no devices and takes none. */
  deletedAt: string | null;
}

export interface ApiKeyCreate {
  /** For people. */
  name: string;
  /** `send` hands over pushes, `read` looks at everything, `manage` changes everything else. */
  scopes: ('send' | 'read' | 'manage')[];
}

export interface ApiKeyCreated {
  id: string;
  /** For people. */
  name: string;
  /** `send` hands over pushes, `read` looks at everything, `manage` changes everything else. */
  scopes: ('send' | 'read' | 'manage')[];
  createdAt: string;
  /** Shown this once; only its hash is kept. */
  secret: string;
}

export interface ApiKeyList {
  apiKeys: ApiKey[];
  pagination: Pagination;
}

export interface ApiKey {
  id: string;
  /** For people. */
  name: string;
  /** `send` hands over pushes, `read` looks at everything, `manage` changes everything else. */
  scopes: ('send' | 'read' | 'manage')[];
  createdAt: string;
}

export interface Send {
  /** Who gets it; FCM and APN may be mixed. */
  to: Recipient[];
  content: Content;
  from?: From | undefined;
  /** Default: HIGH. */
  priority?: 'HIGH' | 'LOW' | undefined;
  /** Name of the sound, null for none. Not in a push of data alone. */
  sound?: string | null | undefined;
  schedule?: Schedule | undefined;
  /** At most 10. Keys (≤ 128) and values (≤ 256 characters) consist of A-Z a-z 0-9 . _ ~ -; values are Liquid templates of at most 4,096 UTF-16 code units. */
  tags?: Record<string, string> | undefined;
  /** The push is worth nothing after this long. 0: exactly one attempt. Default: 2419200. */
  ttlSeconds?: number | undefined;
  /** Replaces an earlier push on the device. At most 64 bytes. What is not visible ASCII, spaces only inside, is given to APNs as its SHA-256 in hex: a header carries no other text. */
  collapseKey?: string | undefined;
  /** APNs badge, Android's notification count. Not in a push of data alone. */
  badge?: number | undefined;
  overrides?: Overrides | undefined;
}

export interface Content {
  /** Liquid template. */
  title?: string | undefined;
  /** Liquid template. May be left out when `data` is given: without a title too, the push shows nothing. */
  body?: string | undefined;
  /** Key and value pairs for the app; values are Liquid templates. Keys may not be `from` or `message_type`, nor start with `google`, `gcm` or `aps`. */
  data?: Record<string, string> | undefined;
  /** A picture that the device fetches; https. Not in a push of data alone. */
  imageUrl?: string | undefined;
}

/** Credentials by id, or an App whose default credentials are used. Left out: the default App. */
export interface From {
  /** Credential for FCM recipients. */
  fcm?: string | undefined;
  /** Credential for APN recipients. */
  apn?: string | undefined;
  /** Name of an App. */
  appName?: string | undefined;
}

export interface Schedule {
  /** When to send: one instant, at most 30 days ahead. */
  sendAt: string[] | string;
}

/** Merged last into what the provider gets. */
export interface Overrides {
  /** Merged into the FCM `message`. May not set `token`, `topic`, `condition` or `fid`; in `data`, also of `android` and `webpush`, go the keys of `content.data`. */
  fcm?: Record<string, unknown> | undefined;
  apn?:
    | {
        /** `apns-push-type`, `apns-priority`, `apns-expiration`, `apns-collapse-id`, and `apns-topic`: the credential's bundle id, alone or with a push type's suffix. */
        headers?: Record<string, string> | undefined;
        /** Merged into `aps`. */
        aps?: Record<string, unknown> | undefined;
        /** Merged into the payload beside `aps`. */
        payload?: Record<string, unknown> | undefined;
      }
    | undefined;
}

export interface Preflight {
  /** How many recipients were looked at; less than all of `to` when rendering took too long or the answer would grow too large, and 0 when `content` or `tags` break a rule: `errors` says which. */
  checked: number;
  recipients: PreflightRecipient[];
  /** Rules that the send as a whole breaks. */
  errors: {
    code: number;
    message: string;
    /** JSONPath. */
    context: string;
  }[];
}

export interface PreflightRecipient {
  to: Recipient;
  /** As the device would show it. Absent when it cannot be rendered. */
  content?: RenderedContent | undefined;
  tags?: Record<string, string> | undefined;
  /** What counts against the limit of each provider, 4,096 bytes. */
  bytes?:
    | {
        fcm: number;
        apn: number;
      }
    | undefined;
  /** One item a fault found, up to 100. */
  errors: {
    code: number;
    message: string;
    /** JSONPath. */
    context: string;
  }[];
}

export interface RenderedContent {
  title?: string | undefined;
  body?: string | undefined;
  data?: Record<string, string> | undefined;
  imageUrl?: string | undefined;
}

export interface SendAccepted {
  operationId: string;
  operationLocation: string;
}

export interface PushNotificationList {
  pushNotifications: PushNotification[];
  pagination: Pagination;
}

export interface PushNotification {
  id: string;
  operationId: string;
  to: TokenRecipient;
  /** The credential used: one of both. */
  from: {
    fcm?: string | undefined;
    apn?: string | undefined;
  };
  status: 'SCHEDULED' | 'QUEUED' | 'SENT' | 'FAILED' | 'CANCELED';
  priority: 'HIGH' | 'LOW';
  sound: string | null;
  createdAt: string;
  updatedAt: string;
  scheduledFor: string | null;
  tags: Record<string, string>;
  /** Counted tries. */
  attempts: number;
  providerMessageId: string | null;
  /** Why it is FAILED; codes are listed in docs/errors.md. */
  error: {
    code: number;
    message: string;
  } | null;
}

export interface PushNotificationDetail {
  id: string;
  operationId: string;
  to: TokenRecipient;
  /** The credential used: one of both. */
  from: {
    fcm?: string | undefined;
    apn?: string | undefined;
  };
  status: 'SCHEDULED' | 'QUEUED' | 'SENT' | 'FAILED' | 'CANCELED';
  priority: 'HIGH' | 'LOW';
  sound: string | null;
  createdAt: string;
  updatedAt: string;
  scheduledFor: string | null;
  tags: Record<string, string>;
  /** Counted tries. */
  attempts: number;
  providerMessageId: string | null;
  /** Why it is FAILED; codes are listed in docs/errors.md. */
  error: {
    code: number;
    message: string;
  } | null;
  /** Rendered. Absent when the templates cannot be rendered. */
  content?: RenderedContent | undefined;
  /** What happened to it, oldest first. */
  timeline: (
    | {
        event: 'accepted';
        at: string;
      }
    | {
        event: 'dispatched';
        at: string;
      }
    | {
        event: 'attempt';
        at: string;
        /** What it meant for the push; docs/states.md lists the outcomes. */
        outcome: string;
        /** Whether it counts among `attempts`. */
        counted: boolean;
        /** From handing over to the answer. */
        latencyMs: number;
        /** Absent when no answer arrived. */
        httpStatus?: number | undefined;
        /** The provider's own name for it. */
        reason?: string | undefined;
        /** The provider's own words. */
        message?: string | undefined;
      }
    | {
        event: 'redriven';
        at: string;
      }
    | {
        event: 'settled';
        at: string;
        status: 'SENT' | 'FAILED' | 'CANCELED';
      }
  )[];
}

export interface Health {
  status: 'ok' | 'unavailable';
  checks: Record<string, 'ok' | 'failed'>;
}

export interface ListApiKeysQuery {
  /** Items a page. */
  pageSize?: number | undefined;
  /** `pagination.next` or `pagination.self` of an earlier answer; carries its filters. */
  pageToken?: string | undefined;
}

export interface ListPushNotificationsQuery {
  operationId?: string | undefined;
  status?: 'SCHEDULED' | 'QUEUED' | 'SENT' | 'FAILED' | 'CANCELED' | undefined;
  provider?: 'FCM' | 'APN' | undefined;
  /** All of these tags: `key:value;key:value;`, at most 10. */
  tags?: string | undefined;
  /** Sent to this user. */
  user?: string | undefined;
  /** `error.code` of failed pushes: 71001 finds dead tokens. */
  errorCode?: string | undefined;
  /** From this date-time, or from 00:00:00Z of this date. */
  startDate?: string | undefined;
  /** To this date-time, or to the end of this date. */
  endDate?: string | undefined;
  /** Items a page. */
  pageSize?: number | undefined;
  /** `pagination.next` or `pagination.self` of an earlier answer; carries its filters. */
  pageToken?: string | undefined;
}

export interface ListAppsQuery {
  /** Only the default App, or only the others. */
  isDefault?: boolean | undefined;
  /** From this date-time, or from 00:00:00Z of this date. */
  startDate?: string | undefined;
  /** To this date-time, or to the end of this date. */
  endDate?: string | undefined;
  /** Items a page. */
  pageSize?: number | undefined;
  /** `pagination.next` or `pagination.self` of an earlier answer; carries its filters. */
  pageToken?: string | undefined;
}

export interface ListCredentialsQuery {
  /** Name of an App. */
  appName?: string | undefined;
  credentialType?: 'FCM' | 'APN' | 'APN_SANDBOX' | undefined;
  /** Only defaults of their type in their App, or only the others. */
  isDefault?: boolean | undefined;
  /** From this date-time, or from 00:00:00Z of this date. */
  startDate?: string | undefined;
  /** To this date-time, or to the end of this date. */
  endDate?: string | undefined;
  /** Items a page. */
  pageSize?: number | undefined;
  /** `pagination.next` or `pagination.self` of an earlier answer; carries its filters. */
  pageToken?: string | undefined;
}

export interface ListDeviceRegistrationsQuery {
  /** Required, unless a page token carries it. */
  userId?: string | undefined;
  /** Name of an App. */
  appName?: string | undefined;
  /** Items a page. */
  pageSize?: number | undefined;
  /** `pagination.next` or `pagination.self` of an earlier answer; carries its filters. */
  pageToken?: string | undefined;
}

export interface ListOperationsQuery {
  status?: 'SCHEDULED' | 'PROCESSING' | 'COMPLETED' | 'CANCELED' | undefined;
  /** From this date-time, or from 00:00:00Z of this date. */
  startDate?: string | undefined;
  /** To this date-time, or to the end of this date. */
  endDate?: string | undefined;
  /** Items a page. */
  pageSize?: number | undefined;
  /** `pagination.next` or `pagination.self` of an earlier answer; carries its filters. */
  pageToken?: string | undefined;
}

export interface ListOperationErrorsQuery {
  /** Items a page. */
  pageSize?: number | undefined;
  /** `pagination.next` or `pagination.self` of an earlier answer; carries its filters. */
  pageToken?: string | undefined;
}

export interface ListUsersQuery {
  /** Items a page. */
  pageSize?: number | undefined;
  /** `pagination.next` or `pagination.self` of an earlier answer; carries its filters. */
  pageToken?: string | undefined;
}
