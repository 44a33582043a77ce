/** The few calls of the API that the commands make. */
import { Sentence } from './sentence.js';

/** @import { Account, ApiClient, NewCredential } from './types.js' */

/**
 * @param {string} url of the gateway
 * @param {Account} account
 * @returns {ApiClient}
 */
export function apiClient(url, { sid, token }) {
  const authorization = `Basic ${Buffer.from(`${sid}:${token}`).toString('base64')}`;
  const call = async (
    /** @type {string} */ method,
    /** @type {string} */ path,
    /** @type {unknown} */ body,
  ) => {
    const answer = await fetch(new URL(path, url), {
      method,
      headers: {
        authorization,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
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
