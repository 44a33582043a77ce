import { CREDENTIAL_TYPES, formatId } from '@app/domain';
import type { Credential as DomainCredential } from '@app/domain';
import { z } from 'zod';
import { AppName, idText } from './ids.js';
import { Timestamp, formatInstant } from './instants.js';

/** Whether the secret inside is any good is decided by the provider's own checks. */
const secret = (description: string) => z.string().min(1).meta({ description });

export const FcmContent = z
  .strictObject({ privateKey: secret('Service-account JSON, base64.') })
  .meta({ id: 'FcmCredentialContent' });

export const ApnTokenContent = z
  .strictObject({
    signingKey: secret('The .p8 file, base64.'),
    keyId: z.string(),
    teamId: z.string(),
    topic: z.string().meta({ description: 'Bundle id.' }),
  })
  .meta({ id: 'ApnTokenCredentialContent' });

export const ApnCertificateContent = z
  .strictObject({
    certificate: secret('PEM, base64.'),
    privateKey: secret('PEM, base64.'),
    topic: z
      .string()
      .optional()
      .meta({ description: 'Bundle id, when the certificate carries several.' }),
  })
  .meta({ id: 'ApnCertificateCredentialContent' });

const common = {
  appName: AppName,
  isDefault: z
    .boolean()
    .optional()
    .meta({ description: 'The first of its type in an App is the default anyway.' }),
};

export const CredentialCreate = z
  .discriminatedUnion('credentialType', [
    z.strictObject({ credentialType: z.literal('FCM'), content: FcmContent, ...common }),
    z.strictObject({
      credentialType: z.enum(['APN', 'APN_SANDBOX']),
      content: z.union([ApnTokenContent, ApnCertificateContent]),
      ...common,
    }),
  ])
  .meta({ id: 'CredentialCreate' });
export type CredentialCreate = z.output<typeof CredentialCreate>;

export const Credential = z
  .strictObject({
    id: idText('credential'),
    credentialType: z.enum(CREDENTIAL_TYPES),
    isDefault: z.boolean(),
    appName: AppName,
    fingerprint: z
      .string()
      .meta({ description: 'SHA-256 of the public part: tells which key is stored.' }),
    expiresAt: Timestamp.nullable().meta({ description: 'Certificates only.' }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .meta({ id: 'Credential' });
export type Credential = z.output<typeof Credential>;

export const ResourceAccepted = z
  .strictObject({ resourceId: z.string(), resourceLocation: z.url() })
  .meta({ id: 'ResourceAccepted' });
export type ResourceAccepted = z.output<typeof ResourceAccepted>;

/** The resource of a credential: never the secret. */
export function toCredential(credential: DomainCredential): Credential {
  return {
    id: formatId('credential', credential.id),
    credentialType: credential.credentialType,
    isDefault: credential.isDefault,
    appName: credential.appName,
    fingerprint: credential.fingerprint,
    expiresAt: credential.expiresAt === null ? null : formatInstant(credential.expiresAt),
    createdAt: formatInstant(credential.createdAt),
    updatedAt: formatInstant(credential.updatedAt),
  };
}
