import type { CredentialType } from './credential.js';
import type { Uuid } from './ids.js';

/** What a caller's app is called, and which credentials are used for it unless others are named. */
export interface App {
  name: string;
  /** The one that a send without `from` uses; at most one an account. */
  isDefault: boolean;
  /** At most one of each type. */
  defaultCredentials: { credentialType: CredentialType; credentialId: Uuid }[];
  createdAt: Date;
  updatedAt: Date;
}

export const MAX_APPS_PER_ACCOUNT = 10;
