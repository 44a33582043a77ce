import { CredentialOfNoType } from '@app/contract';
import { CREDENTIAL_TYPES, InvalidRequest } from '@app/domain';
import type { CredentialType } from '@app/domain';
import type { CredentialContent } from '@app/persistence';
import { parseApnCredential, parseFcmCredential } from '@app/providers/checks';
import type { BrokenRequest } from '../errors/all-faults.interceptor.js';
import { faultsOf } from '../errors/faults.js';

/**
 * Parses the uploaded content the way the provider's adapter will use it.
 *
 * @param context JSONPath of the content in the request.
 * @param now certificates must be valid at this instant.
 * @throws InvalidRequest with a fault a field of the content.
 */
export function checkContent(
  credentialType: CredentialType,
  content: unknown,
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

/**
 * Of a new credential that breaks its schema: what else is wrong with it.
 *
 * @throws InvalidRequest
 */
export function refuseNewCredential({ body, named }: BrokenRequest): void {
  if (typeof body !== 'object' || body === null) return;
  const { credentialType, content } = body as Record<string, unknown>;
  const type = CREDENTIAL_TYPES.find((one) => one === credentialType);
  if (type !== undefined) {
    refuseContent(type, content, '$.content', named);
    return;
  }
  // The schema has heard of nothing but the type then.
  const { error } = CredentialOfNoType.safeParse(body);
  if (error !== undefined) throw new InvalidRequest(faultsOf(error.issues));
}

/**
 * Of a content that breaks its schema, as far as it is there; what the schema has named is not named again.
 *
 * @throws InvalidRequest
 */
export function refuseContent(
  credentialType: CredentialType,
  content: unknown,
  context: '$' | '$.content',
  named: BrokenRequest['named'],
): void {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) return;
  try {
    checkContent(credentialType, content, context, new Date());
  } catch (error) {
    if (!(error instanceof InvalidRequest)) throw error;
    throw new InvalidRequest(error.faults.filter((fault) => !named.has(fault.context)));
  }
}
