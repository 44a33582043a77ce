import type { CredentialCreate } from '@app/contract';
import { InvalidRequest } from '@app/domain';
import type { NewCredential } from '@app/persistence';
import { parseApnCredential, parseFcmCredential } from '@app/providers/checks';

/**
 * Parses the uploaded content the way the provider's adapter will use it.
 *
 * @param now certificates must be valid at this instant.
 * @throws InvalidRequest with a fault a field of `content`.
 */
export function checkContent(create: CredentialCreate, now: Date): NewCredential {
  const { appName, credentialType, isDefault } = create;
  const checked =
    credentialType === 'FCM'
      ? parseFcmCredential(create.content)
      : parseApnCredential(create.content, now);
  if ('faults' in checked) {
    throw new InvalidRequest(
      checked.faults.map(({ path, message }) => ({
        message: `${path.join('.')} ${message}.`,
        context: ['$.content', ...path].join('.'),
      })),
    );
  }
  return {
    appName,
    credentialType,
    isDefault,
    secret: checked.content,
    fingerprint: checked.fingerprint,
    expiresAt: checked.expiresAt ?? null,
  };
}
