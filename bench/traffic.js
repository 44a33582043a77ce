/** What is sent, at which pace, and how long it took to reach the provider. */
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile, rounded } from './statistics.js';

/** @import { ApiClient, Json } from '../scripts/types.js' */
/** @import { Stage } from './types.js' */

const PATH = '/v1/PushNotifications';
const CONTENT = {
  title: 'Hi {{name}}',
  body: 'Your order {{order}} is on its way.',
  data: { order: '{{order}}' },
};

/**
 * Half for FCM, half for APNs.
 * @param {number} count @param {string} name
 */
export const body = (count, name) => ({
  to: Array.from({ length: count }, (_, at) => ({
    token: `sim.ok.${name}-${at}`,
    provider: at % 2 === 0 ? 'FCM' : 'APN',
    variables: { name: 'Ada', order: String(4711 + at) },
  })),
  content: CONTENT,
});

/** @param {string} name @param {number} at */
const single = (name, at) => ({
  to: [
    {
      token: `sim.ok.${name}-${at}`,
      provider: at % 2 === 0 ? 'FCM' : 'APN',
      variables: { name: 'Ada', order: String(4711 + at) },
    },
  ],
  content: CONTENT,
});

/** @param {ApiClient} client @param {number} count @param {string} name @returns {Promise<string>} the operation's id */
export const send = async (client, count, name) =>
  (await client.post(PATH, body(count, name))).operationId;

/** @param {ApiClient} client @param {string} id @returns {Promise<Json>} */
export const operation = (client, id) => client.get(`${PATH}/Operations/${id}`);

/**
 * Sends with one recipient at a fixed rate, whatever the answers take: a late answer delays no other request.
 * @param {ApiClient} client
 * @param {{ count: number, rate: number, name: string, until?: () => boolean }} options `rate` a second
 * @returns {Promise<{ acceptMs: number[], seconds: number }>}
 */
export async function sendSingles(client, { count, rate, name, until = () => false }) {
  /** @type {number[]} */
  const acceptMs = [];
  const begun = performance.now();
  /** @type {Promise<void>[]} */
  const waiting = [];
  for (let at = 0; at < count && !until(); at++) {
    const dueIn = begun + (at * 1000) / rate - performance.now();
    if (dueIn > 1) await sleep(dueIn);
    const sent = performance.now();
    waiting.push(
      client.post(PATH, single(name, at)).then(() => void acceptMs.push(performance.now() - sent)),
    );
  }
  await Promise.all(waiting);
  return { acceptMs, seconds: (performance.now() - begun) / 1000 };
}

/**
 * From accept to the provider, in milliseconds: the instant inside each push's id (a UUIDv7) to its arrival in
 * the simulator's ledger, by one machine's clock.
 * @param {Stage} stage
 * @param {(token: string) => boolean} [wanted]
 * @returns {Promise<number[]>}
 */
export async function latencies(stage, wanted = () => true) {
  const { entries } = await stage.control('GET', '/ledger?limit=250000');
  return entries
    .filter((/** @type {Json} */ { token, id, accepted }) => accepted && id && wanted(token))
    .map(
      (/** @type {Json} */ { id, at }) =>
        Date.parse(at) - Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16),
    );
}

/** @param {readonly number[]} values */
export const spread = (values) => ({
  p50: rounded(percentile(values, 0.5)),
  p95: rounded(percentile(values, 0.95)),
  p99: rounded(percentile(values, 0.99)),
});

/** Asked often while pushes are delivered: it ends at the first operation that is not through. */
const ANY_LEFT = `SELECT EXISTS (
  SELECT FROM operations WHERE status = 'PROCESSING' AND queued + scheduled > 0) AS any`;
/** By the account's own index, whatever others have left. */
const ANY_LEFT_OF = `SELECT EXISTS (
  SELECT FROM operations WHERE account_id = $1 AND status = 'PROCESSING' AND queued + scheduled > 0) AS any`;

/** Asked seldom: it reads all operations that are not through, and there may be 200,000. */
const LEFT = `SELECT coalesce(sum(queued + scheduled), 0)::text AS left FROM operations
  WHERE status = 'PROCESSING' AND ($1::uuid IS NULL OR account_id = $1)`;
const LEFT_EVERY_MS = 10_000;

/**
 * Waits until nothing is left to do: by the database, since asking 50,000 operations one by one would be what
 * is measured.
 * @param {Stage} stage @param {string} [sid] of this account alone
 * @throws when nothing moved for 2 minutes
 */
export async function untilSettled(stage, sid) {
  const values = [sid?.slice(2) ?? null];
  let last = '';
  let movedAt = performance.now();
  let lookedAt = movedAt;
  for (;;) {
    const [{ any }] =
      sid === undefined ? await stage.query(ANY_LEFT) : await stage.query(ANY_LEFT_OF, values);
    if (!any) return;
    if (performance.now() - lookedAt > LEFT_EVERY_MS) {
      const [{ left }] = await stage.query(LEFT, values);
      lookedAt = performance.now();
      if (left !== last) movedAt = lookedAt;
      last = left;
      if (lookedAt - movedAt > 120_000)
        throw new Error(`Nothing moved for 2 minutes, ${left} pushes are left.`);
    }
    await sleep(50);
  }
}
