/**
 * How many pages of PostgreSQL's the product's own statements touch: its repositories run on a database that has
 * each statement explained, rolled back, and then done.
 */
import { built } from '../built.js';
import { newOperation } from '../operation.js';
import { mapValues, median } from '../statistics.js';

/** @import { Pages } from '../types.js' */
/** @import { PoolClient, QueryResult } from 'pg' */

/** @typedef {{ name?: string, text: string, values?: unknown[] }} Ran */
/** @typedef {[statement: string | Ran, values?: unknown[]]} Given */

const ROUNDS = 5;
const SIZE = 100;

/**
 * @param {string} url
 * @param {{ accountId: string, credentials: { FCM: string, APN: string } }} tenant
 * @returns {Promise<Pages>}
 */
export async function pagesOf(url, { accountId, credentials }) {
  const persistence = await built('persistence');
  const db = new persistence.Database({ url, poolSize: 2, applicationName: 'bench' });
  let pages = 0;
  const plain = db.transaction.bind(db);
  /** Explains and does a statement in a transaction. @param {PoolClient} client @param {Ran} ran */
  const explained = async (client, ran) => {
    if (!/^\s*(WITH|SELECT|INSERT|UPDATE|DELETE)/i.test(ran.text))
      throw new Error(`Nothing tells the pages of: ${ran.text}`);
    await client.query('SAVEPOINT before');
    const { rows } = await client.query(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${ran.text}`,
      ran.values,
    );
    await client.query('ROLLBACK TO before');
    const [{ Plan: plan }] = rows[0]['QUERY PLAN'];
    pages += plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
    return client.query(ran);
  };
  db.transaction = (work, begin) =>
    plain(
      (client) =>
        work(
          new Proxy(client, {
            get: (target, name) =>
              name === 'query'
                ? (/** @type {Given} */ ...given) => explained(target, ranOf(given))
                : Reflect.get(target, name),
          }),
        ),
      begin,
    );
  db.query = /** @type {typeof db.query} */ (
    (/** @type {Given} */ ...given) =>
      plain(async (client) => {
        /** @type {QueryResult} */
        const result = await explained(client, ranOf(given));
        return result.rows;
      })
  );
  const operations = new persistence.OperationRepository(db);
  const pushes = new persistence.PushNotificationRepository(db);
  const deliveries = new persistence.DeliveryRepository(db);
  const dispatches = new persistence.DispatchRepository(db);
  const counted = /** @type {Record<keyof Pages, number[]>} */ ({
    send: [],
    dispatch: [],
    claim: [],
    settle: [],
    list: [],
    fetch: [],
    operation: [],
  });
  /** @template T @param {keyof Pages} name @param {() => Promise<T>} work */
  const count = async (name, work) => {
    pages = 0;
    const result = await work();
    counted[name].push(pages);
    return result;
  };
  try {
    // The first round fills the connection's caches.
    for (let round = 0; round <= ROUNDS; round++) {
      const { id } = await count('send', () =>
        operations.accept(accountId, newOperation(SIZE, round, 'pages', credentials)),
      );
      /** @type {string[]} */
      let ids = [];
      await count('dispatch', () =>
        dispatches.takeTurns('small', 500, async ({ deliveries: chunk }) => {
          ids = chunk.map((push) => push.id);
        }),
      );
      const claims = await count('claim', () => deliveries.claim(ids, 60_000));
      await count('settle', () =>
        deliveries.settle(
          claims.flatMap((claim) => (claim.state === 'claimed' ? [sent(claim.push)] : [])),
        ),
      );
      await count('list', () => pushes.list(accountId, {}, { limit: 50, before: null }));
      await count('fetch', () => pushes.find(accountId, ids[0] ?? id));
      await count('operation', () => operations.find(accountId, id));
    }
  } finally {
    await db.close();
  }
  return mapValues(counted, (values) => median(values.slice(1)));
}

/** A statement as `query` got it: its text, or the object of one that has a name. @param {Given} given @returns {Ran} */
const ranOf = ([statement, values = []]) =>
  typeof statement === 'string' ? { text: statement, values } : { values, ...statement };

/** @param {import('../../libs/persistence/src/index.js').ClaimedPush} push */
const sent = ({ id, operationId, credentialId, lease }) => ({
  id,
  operationId,
  credentialId,
  lease,
  to: /** @type {const} */ ('SENT'),
  dueInMs: 0,
  attempts: [
    {
      at: new Date().toISOString(),
      outcome: /** @type {const} */ ('accepted'),
      latencyMs: 12,
      counted: true,
    },
  ],
  countedAttempts: 1,
  unknownAttempts: 0,
  errorCode: null,
  errorMessage: null,
  providerMessageId: 'projects/p/messages/1',
  dispatchedAt: new Date(),
  pause: null,
  probe: null,
});
