/** A database as it looks after that many pushes were sent in the last six days: ended, in operations of 1,000. */
import pg from 'pg';

const OPERATION = 1_000;
const DAYS = 6;
/** Of the accounts one is looked at; it has every other operation. */
const OTHERS = 49;
/** Operations a statement. */
const CHUNK = 100;

/** A UUIDv7 of that millisecond; what follows tells the `n`th of operation `k` and sorts by `n`. */
const FUNCTIONS = `
CREATE FUNCTION pg_temp.uid(ms bigint, k int, n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n), 3, '0') || '8' || substr(md5(k || ':' || n), 1, 15))::uuid
$$;
CREATE FUNCTION pg_temp.account(k int, mine uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN k % 2 = 0 THEN mine ELSE md5('account ' || (k / 2) % ${OTHERS})::uuid END
$$`;

const OPERATIONS = `
INSERT INTO operations (id, account_id, content, priority, ttl_seconds, recipients, unaddressable_users, total,
  unaddressable, scheduled, queued, sent, last_push_id, updated_at, completed_at)
SELECT pg_temp.uid($1::bigint + k * $2::bigint, k, 0), pg_temp.account(k, $3::uuid),
  '{"title": "Hi {{name}}", "body": "Your order is on its way."}', 'HIGH', 3600, ${OPERATION}, '{}', ${OPERATION},
  0, 0, 0, ${OPERATION}, pg_temp.uid($1::bigint + k * $2::bigint + 1, k, ${OPERATION - 1}),
  to_timestamp(($1::bigint + k * $2::bigint + 5000) / 1000.0), to_timestamp(($1::bigint + k * $2::bigint + 5000) / 1000.0)
FROM generate_series($4::int, $5::int) k`;

const PARTS = `
INSERT INTO operation_parts (operation_id, provider, account_id, credential_id, lane, dispatched_through, pending)
SELECT pg_temp.uid($1::bigint + k * $2::bigint, k, 0), 'FCM', pg_temp.account(k, $3::uuid), $6::uuid, 'bulk',
  pg_temp.uid($1::bigint + k * $2::bigint + 1, k, ${OPERATION - 1}), false
FROM generate_series($4::int, $5::int) k`;

const PUSHES = `
INSERT INTO push_notifications (id, account_id, operation_id, provider, credential_id, token, variables, status,
  due_at, expires_at, lease, attempts, attempt_count, first_attempt_at, provider_message_id, updated_at, settled_at)
SELECT pg_temp.uid($1::bigint + k * $2::bigint + 1, k, n), pg_temp.account(k, $3::uuid), pg_temp.uid($1::bigint + k * $2::bigint, k, 0),
  'FCM', $6::uuid, 'a-device-token-as-long-as-they-really-are-' || md5(k || '/' || n) || md5(n || '/' || k),
  '{"name": "Ada"}', 'SENT', at, at + interval '1 hour', 1,
  jsonb_build_array(jsonb_build_object('at', at, 'outcome', 'accepted', 'latencyMs', 12, 'counted', true)), 1, at,
  'projects/p/messages/' || n, at, at
FROM generate_series($4::int, $5::int) k, generate_series(0, ${OPERATION - 1}) n,
  LATERAL (SELECT to_timestamp(($1::bigint + k * $2::bigint + 5000) / 1000.0) AS at) instant`;

/**
 * @param {string} ownerUrl
 * @param {{ pushes: number, accountId: string, credentialId: string, log: (line: string) => void }} options
 */
export async function seed(ownerUrl, { pushes, accountId, credentialId, log }) {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    await client.query('SET synchronous_commit = off');
    await client.query(FUNCTIONS);
    await makePartitions(client);
    const operations = Math.max(2, pushes / OPERATION);
    const first = Date.now() - DAYS * 86_400_000;
    const step = Math.floor((DAYS * 86_400_000 - 60_000) / operations);
    for (let from = 0; from < operations; from += CHUNK) {
      const values = [first, step, accountId, from, Math.min(operations, from + CHUNK) - 1];
      await client.query(OPERATIONS, values);
      await client.query(PARTS, [...values, credentialId]);
      await client.query(PUSHES, [...values, credentialId]);
      if (from % 1_000 === 0 && from > 0)
        log(`growth: ${from * OPERATION} of ${pushes} pushes stored`);
    }
    await client.query('VACUUM ANALYZE');
  } finally {
    await client.end();
  }
}

/** As `ensure_push_partitions` makes them, but for the days that are over. @param {pg.Client} client */
async function makePartitions(client) {
  for (let daysAgo = DAYS; daysAgo >= 0; daysAgo--) {
    const day = new Date(Date.now() - daysAgo * 86_400_000);
    day.setUTCHours(0, 0, 0, 0);
    const name = `push_notifications_${day.toISOString().slice(0, 10).replaceAll('-', '')}`;
    const { rows } = await client.query('SELECT to_regclass($1) AS there', [`public.${name}`]);
    if (rows[0].there !== null) continue;
    await client.query(
      `CREATE TABLE ${name} (LIKE push_notifications INCLUDING ALL) WITH (fillfactor = 50)`,
    );
    const next = new Date(day.getTime() + 86_400_000);
    await client.query(
      `ALTER TABLE push_notifications ATTACH PARTITION ${name}
       FOR VALUES FROM ('${lowest(day)}') TO ('${lowest(next)}')`,
    );
  }
}

/** @param {Date} instant */
const lowest = (instant) =>
  `${instant.getTime().toString(16).padStart(12, '0')}00000000000000000000`.replace(
    /^(.{8})(.{4})(.{4})(.{4})/,
    '$1-$2-$3-$4-',
  );
