/** The caller: plain node:http over kept-alive sockets, since on this machine its CPU is everybody's. */
import { Agent, request } from 'node:http';

/** @import { Account, ApiClient } from '../scripts/types.js' */

const ATTEMPT_MS = 60_000;

/**
 * @param {string} url of the gateway
 * @param {Account} account
 * @returns {ApiClient}
 */
export function keptAliveClient(url, { sid, token }) {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const authorization = `Basic ${Buffer.from(`${sid}:${token}`).toString('base64')}`;
  /** @type {ApiClient['call']} */
  const call = (method, path, body) =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const asked = request({
        hostname: hostname === 'localhost' ? '127.0.0.1' : hostname,
        port,
        method,
        path,
        agent,
        timeout: ATTEMPT_MS,
        headers: {
          authorization,
          ...(text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
      });
      asked.once('error', reject);
      asked.once('timeout', () => asked.destroy(new Error(`${method} ${path}: no answer`)));
      asked.once('response', (answer) => {
        let all = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk) => (all += chunk));
        answer.once('error', reject);
        answer.once('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            body: all === '' ? undefined : JSON.parse(all),
          }),
        );
      });
      asked.end(text);
    });
  const must = async (
    /** @type {string} */ method,
    /** @type {string} */ path,
    /** @type {unknown} */ body,
  ) => {
    const answer = await call(method, path, body);
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  return {
    call,
    get: (path) => must('GET', path, undefined),
    post: (path, body) => must('POST', path, body),
  };
}
