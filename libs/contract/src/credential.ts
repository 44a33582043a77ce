import { CREDENTIAL_STATUSES, CREDENTIAL_TYPES, formatId } from '@app/domain';
import type { Credential as DomainCredential } from '@app/domain';
import { z } from 'zod';
import { AppName, idText } from './ids.js';
import { Timestamp, formatInstant } from './instants.js';
import { Pagination, booleanFilter, creation, datesInOrder, paging } from './list.js';
import { EVEN_WHEN_BROKEN } from './text.js';
import { expected } from './words.js';

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

const topic = z
  .string()
  .optional()
  .meta({ description: 'Bundle id, when the certificate carries several.' });

export const ApnCertificateContent = z
  .strictObject({
    certificate: secret('PEM, base64.'),
    privateKey: secret('PEM, base64.'),
    topic,
  })
  .meta({ id: 'ApnCertificateCredentialContent' });

export const ApnPkcs12Content = z
  .strictObject({
    pkcs12: secret('The .p12 file, base64. Kept as PEM.'),
    passphrase: z.string().optional().meta({ description: 'Of the file; left out: none.' }),
    topic,
  })
  .meta({ id: 'ApnPkcs12CredentialContent' });

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
      content: z.union([ApnTokenContent, ApnCertificateContent, ApnPkcs12Content]),
      ...common,
    }),
  ])
  .meta({ id: 'CredentialCreate' });
export type CredentialCreate = z.output<typeof CredentialCreate>;

/** What can be said of a credential whose type is none. */
export const CredentialOfNoType = z.strictObject({
  credentialType: z.unknown().optional(),
  content: z.custom<object>((value) => typeof value === 'object' && value !== null, {
    error: ({ input }) => expected('an object', input),
  }),
  ...common,
});

/** The new secret of a credential; which of them fits is decided by the credential's type. */
export const CredentialRotation = z
  .union([FcmContent, ApnTokenContent, ApnCertificateContent, ApnPkcs12Content])
  .meta({ id: 'CredentialContent' });
export type CredentialRotation = z.output<typeof CredentialRotation>;

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
    status: z.enum(CREDENTIAL_STATUSES),
    statusReason: z
      .string()
      .nullable()
      .meta({
        description:
          'FAILING: what the provider said; nothing is sent with it until one push gets through again, which is ' +
          'tried by itself, and at once after a rotation. OK: a warning that concerns some pushes only, or null.',
      }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .meta({ id: 'Credential' });
export type Credential = z.output<typeof Credential>;

export const CredentialList = z
  .strictObject({ credentials: z.array(Credential), pagination: Pagination })
  .meta({ id: 'CredentialList' });
export type CredentialList = z.output<typeof CredentialList>;

export const CredentialCheck = z
  .strictObject({
    ok: z.boolean(),
    detail: z
      .string()
      .meta({ description: "A sentence, with the provider's words when it refused." }),
  })
  .meta({ id: 'CredentialCheck' });
export type CredentialCheck = z.output<typeof CredentialCheck>;

export const CredentialQuery = z
  .strictObject({
    appName: AppName.optional(),
    credentialType: z.enum(CREDENTIAL_TYPES).optional(),
    isDefault: booleanFilter('Only defaults of their type in their App, or only the others.'),
    ...creation,
    ...paging,
  })
  .superRefine(datesInOrder, EVEN_WHEN_BROKEN);
export type CredentialQuery = z.output<typeof CredentialQuery>;

/** The resource of a credential: never the secret. */
export function toCredential(credential: DomainCredential): Credential {
  return {
    id: formatId('credential', credential.id),
    credentialType: credential.credentialType,
    isDefault: credential.isDefault,
    appName: credential.appName,
    fingerprint: credential.fingerprint,
    expiresAt: credential.expiresAt === null ? null : formatInstant(credential.expiresAt),
    status: credential.status,
    statusReason: credential.statusReason,
    createdAt: formatInstant(credential.createdAt),
    updatedAt: formatInstant(credential.updatedAt),
  };
}
