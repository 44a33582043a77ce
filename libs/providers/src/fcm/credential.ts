import { createPublicKey } from 'node:crypto';
import { Faults, base64Text, privateKeyOf, sha256, toPkcs8 } from '../checked-credential.js';
import type { CredentialCheck } from '../checked-credential.js';
import { isObject } from '../merge.js';
import type { FcmCredentialContent } from '../port.js';

// https://cloud.google.com/resource-manager/docs/creating-managing-projects; projects of Google
// Workspace domains from before 2013 are called `domain.com:project`. Either is safe in a path.
const PROJECT_ID = /^(?:[a-z0-9][a-z0-9.-]{0,80}\.[a-z]{2,24}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/;
const EMAIL = /^[^\s@\p{Cc}]{1,128}@[a-z0-9.-]{1,128}$/u;
const KEY_ID = /^[A-Za-z0-9_-]{1,128}$/;
const MIN_RSA_BITS = 2_048;

/**
 * Checks an uploaded FCM credential: `{privateKey}` = base64 of the service-account JSON. Its
 * `token_uri` is not even read: tokens come from the configured endpoint only.
 */
export function parseFcmCredential(content: unknown): CredentialCheck<FcmCredentialContent> {
  const faults = new Faults();
  const add = (message: string) => faults.add('privateKey', message);
  const account = isObject(content) ? serviceAccount(content, faults) : add('is required');
  if (account === undefined) return { faults: faults.list };

  const { project_id, client_email, private_key, private_key_id } = account;
  if (account['type'] !== 'service_account') {
    add('must be the JSON of a service account: its type is not "service_account"');
  }
  const projectId =
    typeof project_id === 'string' && PROJECT_ID.test(project_id)
      ? project_id
      : add('the service account has no valid project_id');
  const clientEmail =
    typeof client_email === 'string' && EMAIL.test(client_email)
      ? client_email
      : add('the service account has no valid client_email');
  const key =
    typeof private_key === 'string' ? rsaKey(private_key, add) : add('has no private_key');
  if (!projectId || !clientEmail || !key || faults.list.length > 0) return { faults: faults.list };

  return {
    content: {
      kind: 'service-account',
      projectId,
      clientEmail,
      privateKey: toPkcs8(key),
      ...(typeof private_key_id === 'string' && KEY_ID.test(private_key_id)
        ? { privateKeyId: private_key_id }
        : {}),
    },
    fingerprint: sha256(createPublicKey(key).export({ type: 'spki', format: 'der' })),
  };
}

function serviceAccount(content: Record<string, unknown>, faults: Faults) {
  const text = base64Text(content, 'privateKey', faults);
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    if (isObject(parsed)) return parsed;
  } catch {
    // Not JSON at all: the same fault as JSON of another kind.
  }
  return faults.add('privateKey', 'must be the base64 of the service-account JSON file');
}

function rsaKey(pem: string, add: (message: string) => undefined) {
  const key = privateKeyOf(pem);
  if (key === undefined || key === 'encrypted' || key.asymmetricKeyType !== 'rsa') {
    return add('the private_key of the service account is not an RSA key in PEM');
  }
  return (key.asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS
    ? key
    : add(`the private_key of the service account is shorter than ${MIN_RSA_BITS} bits`);
}
