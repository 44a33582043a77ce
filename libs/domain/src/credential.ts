import type { Uuid } from './ids.js';
import type { ProviderKind } from './push-notification.js';

export const CREDENTIAL_TYPES = ['FCM', 'APN', 'APN_SANDBOX'] as const;
export type CredentialType = (typeof CREDENTIAL_TYPES)[number];

export const CREDENTIAL_STATUSES = ['OK', 'FAILING'] as const;
export type CredentialStatus = (typeof CREDENTIAL_STATUSES)[number];

/** What anybody with scope `read` may see of a credential: never the secret. */
export interface Credential {
  id: Uuid;
  appName: string;
  credentialType: CredentialType;
  isDefault: boolean;
  /** Hex SHA-256 of the public part, to tell which key is stored. */
  fingerprint: string;
  /** Certificates only. */
  expiresAt: Date | null;
  status: CredentialStatus;
  /** What the provider said, when it is FAILING. */
  statusReason: string | null;
  createdAt: Date;
  updatedAt: Date;
}

/** A credential type serves one member of `from` and one value of `to[].provider`. */
export function providerOfCredential(type: CredentialType): ProviderKind {
  return type === 'FCM' ? 'FCM' : 'APN';
}

export const MAX_CREDENTIALS_PER_APP = 10;
