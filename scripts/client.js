/** The few calls of the API that the commands make. */
import { Sentence } from './sentence.js';

/** @import { Account, ApiClient, NewCredential, SeenAnswer } from './types.js' */

/**
 * @param {string} url of the gateway
 * @param {Account} account
 * @param {(method: string, path: string, answer: SeenAnswer) => void} [seen] looks at every answer before its caller;
 *   the path comes without its query.
 * @returns {ApiClient}
 */
export function apiClient(url, { sid, token }, seen) {
  const authorization = `Basic ${Buffer.from(`${sid}:${token}`).toString('base64')}`;
  const call = async (
    /** @type {string} */ method,
    /** @type {string} */ path,
    /** @type {unknown} */ body,
  ) => {
    const target = new URL(path, url);
    const answer = await fetch(target, {
      method,
      headers: {
        authorization,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await answer.text();
    const { status, headers } = answer;
    const json = text === '' ? undefined : JSON.parse(text);
    seen?.(method, target.pathname, { status, headers, body: json });
    return { status, body: json };
  };
  const must = async (
    /** @type {string} */ method,
    /** @type {string} */ path,
    /** @type {unknown} */ body,
  ) => {
    const answer = await call(method, path, body);
    if (answer.status >= 300)
      throw new Sentence(
        `${method} ${path} was answered ${answer.status}: ${answer.body?.message ?? 'without a word'}`,
      );
    return answer.body;
  };
  return {
    call,
    get: (path) => must('GET', path, undefined),
    post: (path, body) => must('POST', path, body),
  };
}

/**
 * Stores one credential.
 * @param {ApiClient} api
 * @param {NewCredential} credential
 * @returns {Promise<string>} its id
 */
export async function storeCredential(api, credential) {
  const { resourceId } = await api.post('/v1/PushNotifications/Credentials', credential);
  return resourceId;
}
