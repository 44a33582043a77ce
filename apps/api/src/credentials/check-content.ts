import type { CredentialRotation } from '@app/contract';
import { InvalidRequest } from '@app/domain';
import type { CredentialType } from '@app/domain';
import type { CredentialContent } from '@app/persistence';
import { parseApnCredential, parseFcmCredential } from '@app/providers/checks';

/**
 * Parses the uploaded content the way the provider's adapter will use it.
 *
 * @param context JSONPath of the content in the request.
 * @param now certificates must be valid at this instant.
 * @throws InvalidRequest with a fault a field of the content.
 */
export function checkContent(
  credentialType: CredentialType,
  content: CredentialRotation,
  context: '$' | '$.content',
  now: Date,
): CredentialContent {
  const checked =
    credentialType === 'FCM' ? parseFcmCredential(content) : parseApnCredential(content, now);
  if ('faults' in checked) {
    throw new InvalidRequest(
      checked.faults.map(({ path, message }) => ({
        message: `${path.join('.')} ${message}.`,
        context: [context, ...path].join('.'),
      })),
    );
  }
  return {
    secret: checked.content,
    fingerprint: checked.fingerprint,
    expiresAt: checked.expiresAt ?? null,
  };
}
