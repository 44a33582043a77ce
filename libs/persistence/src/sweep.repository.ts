import type { ProviderKind, Uuid } from '@app/domain';
import type { PoolClient } from 'pg';
import { changeWindows } from './credential-windows.js';
import type { Database } from './database.js';
import type { DispatchLane } from './dispatch.repository.js';
import { KEPT_HOURS } from './idempotency.js';
import { LOCK_PARTS } from './locks.js';

interface Rewound {
  parts: number;
  /** Change of `outstanding` by credential; null when there is none. */
  windows: Record<Uuid, number> | null;
}

/** How many of a part `q` were handed over and have not ended; LATERAL, since joined the planner may read all that is QUEUED. */
export const OUTSTANDING_OF_PART = `LATERAL (
    SELECT count(*) AS n FROM push_notifications
    WHERE operation_id = q.operation_id AND provider = q.provider AND status = 'QUEUED'
      AND id > q.operation_id AND id <= q.dispatched_through
  ) p`;

/**
 * $1 locked operations, with their parts. What dispatch had counted is counted no more: what
 * is on the wire at this moment lies beyond the cursors when it ends.
 */
const REWIND = `
WITH counted AS (
  SELECT q.credential_id, sum(p.n)::int AS n FROM operation_parts q CROSS JOIN ${OUTSTANDING_OF_PART}
  WHERE q.operation_id = ANY($1::uuid[]) GROUP BY q.credential_id HAVING sum(p.n) > 0
), rewound AS (
  UPDATE operation_parts SET dispatched_through = NULL, pending = true, open = false
  WHERE operation_id = ANY($1::uuid[]) RETURNING true
)
SELECT (SELECT count(*) FROM rewound)::int AS parts,
  (SELECT jsonb_object_agg(credential_id, -n) FROM counted) AS windows`;

/** Operations a transaction: some 50 ms. */
export const REWOUND_AT_ONCE = 500;

/** How work that takes several transactions goes about it. */
export interface Batches {
  /** Operations a transaction. */
  limit?: number;
  /** Asked before each further transaction: this worker ends, and leaves the rest to others. */
  isStopped?: () => boolean;
}

/** $1 above this operation, $2 at most so many. Those that are opened meanwhile come at the end. */
const NEXT_OPEN = `
SELECT DISTINCT operation_id AS id FROM operation_parts WHERE open AND operation_id > $1
ORDER BY operation_id LIMIT $2`;

const LOCK_PROCESSING = `
SELECT id FROM operations WHERE id = ANY($1::uuid[]) AND status = 'PROCESSING' ORDER BY id FOR NO KEY UPDATE`;

/** LATERAL: each is looked up. Joined, the planner would read all that were ever dispatched where it expects few. */
const ENDED_PARTS = `
WITH ended AS MATERIALIZED (
  SELECT o.id FROM (SELECT DISTINCT operation_id FROM operation_parts WHERE open OFFSET 0) q
  CROSS JOIN LATERAL (
    SELECT id FROM operations
    WHERE id = q.operation_id AND (status IN ('COMPLETED', 'CANCELED')) IS TRUE
    FOR NO KEY UPDATE SKIP LOCKED
  ) o LIMIT $1
)
SELECT q.operation_id, q.provider FROM ended CROSS JOIN LATERAL (
  SELECT operation_id, provider FROM operation_parts WHERE operation_id = ended.id AND open
  FOR UPDATE SKIP LOCKED
) q`;

/** ANY goes by the primary key, however many the planner expects. */
const CLOSE_PARTS = `
UPDATE operation_parts SET open = false, pending = false
WHERE operation_id = ANY($1::uuid[])
  AND (operation_id, provider) IN (SELECT * FROM unnest($1::uuid[], $2::provider_kind[]))`;

/** Every so many seconds ($1), whoever asks. One that was made in the future was made by a clock that was set back since. */
const BEGIN_PASS = `
INSERT INTO sweep_state AS s (name, value) VALUES ('pass', now()::text)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
WHERE s.value::timestamptz NOT BETWEEN now() - make_interval(secs => $1) AND now()`;

const LOWEST = '00000000-0000-0000-0000-000000000000';

/** Names in sweep_state: the queue that everything was rewound for, and how far that has come for another one. */
const QUEUE = 'queue-epoch';
const REWOUND_THROUGH = 'queue-rewound-through ';

interface Rewinding {
  parts: number;
  isLast: boolean;
  /** With the last: the epoch of the queue before, null when there was none. */
  before: string | null;
}

/** A push whose job seems to be lost: it is added again under its own id. */
export interface LostPush {
  id: Uuid;
  operationId: Uuid;
  provider: ProviderKind;
  lane: DispatchLane;
}

/** One sweep pass: a transaction that holds the sweep's advisory lock, so passes never overlap. */
export class SweepPass {
  constructor(private readonly client: PoolClient) {}

  /**
   * Workers share one rhythm: however many there are, the database is swept as often as one would.
   *
   * @returns whether the last pass, by whomever, began longer ago.
   */
  async isDue(afterMs: number): Promise<boolean> {
    return (await this.client.query(BEGIN_PASS, [afterMs / 1000])).rowCount === 1;
  }

  /**
   * One rule of the pass: when it fails, nothing of it is kept, and all of the others.
   *
   * @throws what it throws.
   */
  async apart<T>(rule: () => Promise<T>): Promise<T> {
    await this.client.query('SAVEPOINT rule');
    try {
      return await rule();
    } catch (err) {
      await this.client.query('ROLLBACK TO SAVEPOINT rule');
      throw err;
    } finally {
      await this.client.query('RELEASE SAVEPOINT rule');
    }
  }

  /**
   * Remembers a value between passes and workers.
   *
   * @returns the value remembered before, null at first.
   */
  async remember(name: string, value: string): Promise<string | null> {
    const { rows } = await this.client.query<{ before: string | null }>(
      `WITH before AS (SELECT value FROM sweep_state WHERE name = $1)
       INSERT INTO sweep_state (name, value) VALUES ($1, $2)
       ON CONFLICT (name) DO UPDATE SET value = excluded.value
       RETURNING (SELECT value FROM before) AS before`,
      [name, value],
    );
    return rows[0]?.before ?? null;
  }

  /** What was remembered under a name, null when nothing was. */
  async recall(name: string): Promise<string | null> {
    const { rows } = await this.client.query<{ value: string }>(
      'SELECT value FROM sweep_state WHERE name = $1',
      [name],
    );
    return rows[0]?.value ?? null;
  }

  /** Whether all that was handed over to an earlier queue, or before it lost its memory, is rewound. */
  async knowsQueue(epoch: string): Promise<boolean> {
    return (await this.recall(QUEUE)) === epoch;
  }

  /**
   * The queue lost its memory: of the next ≤ `limit` operations every part that something was handed over of is
   * dispatched from its start again; of the others the queue knew nothing. Claims and equal job ids make what is
   * added twice harmless. Where the next call goes on is remembered with it.
   */
  async rewindNext(epoch: string, limit: number): Promise<Rewinding> {
    if (await this.knowsQueue(epoch)) return { parts: 0, isLast: true, before: epoch };
    const mark = await this.recall(`${REWOUND_THROUGH}${epoch}`);
    const { rows: next } = await this.client.query<{ id: Uuid }>(NEXT_OPEN, [
      mark ?? LOWEST,
      limit,
    ]);
    const { rows: locked } = await this.client.query<{ id: Uuid }>(LOCK_PROCESSING, [
      next.map(({ id }) => id),
    ]);
    const ids = locked.map(({ id }) => id);
    await this.client.query(LOCK_PARTS, [ids]);
    // A statement of its own: it sees what was committed until the locks were ours.
    const { rows: rewound } = await this.client.query<Rewound>(REWIND, [ids]);
    const [{ parts, windows } = { parts: 0, windows: null }] = rewound;
    await changeWindows(this.client, new Map(Object.entries(windows ?? {})));
    const last = next.at(-1)?.id;
    if (last !== undefined && next.length === limit) {
      await this.remember(`${REWOUND_THROUGH}${epoch}`, last);
      return { parts, isLast: false, before: null };
    }
    await this.client.query('DELETE FROM sweep_state WHERE starts_with(name, $1)', [
      REWOUND_THROUGH,
    ]);
    return { parts, isLast: true, before: await this.remember(QUEUE, epoch) };
  }

  /**
   * Parts of finished operations need no further look. The operations are locked first: one that is
   * redriven at this moment is finished no more, and its parts must stay pending. It waits for nobody: a
   * dispatcher may wait for one of these parts while it has another that a rewind wants.
   */
  async closeParts(limit: number): Promise<void> {
    const { rows } = await this.client.query<{ operation_id: Uuid; provider: ProviderKind }>(
      ENDED_PARTS,
      [limit],
    );
    if (rows.length === 0) return;
    await this.client.query(CLOSE_PARTS, [
      rows.map((row) => row.operation_id),
      rows.map((row) => row.provider),
    ]);
  }

  /** Keys of requests that need no longer be told from new ones. */
  async forgetKeys(limit: number): Promise<void> {
    await this.client.query(
      `DELETE FROM idempotency_keys WHERE (account_id, key) IN (
         SELECT account_id, key FROM idempotency_keys
         WHERE created_at < now() - make_interval(hours => $1) ORDER BY created_at LIMIT $2)`,
      [KEPT_HOURS, limit],
    );
  }

  /**
   * Pushes that are due for longer than `lostAfterMs`, whose part was handed over so long ago, and
   * that nobody holds: their job is lost. Behind a pause nothing has a job. One account after another,
   * ≤ `limit`.
   *
   * Each turn of a part puts that off for all of it: no row tells when its job was added before it is settled, and to look at
   * all that is in the queue would be a scan of all windows a pass.
   */
  async lostPushes(lostAfterMs: number, limit: number): Promise<LostPush[]> {
    const { rows } = await this.client.query<LostPush>(
      `SELECT id, operation_id AS "operationId", provider, lane FROM (
         SELECT n.id, q.operation_id, q.provider, q.lane, row_number() OVER (PARTITION BY q.account_id ORDER BY n.id) AS turn
         FROM operation_parts q CROSS JOIN LATERAL (
           SELECT id FROM push_notifications
           WHERE operation_id = q.operation_id AND provider = q.provider AND status = 'QUEUED'
             AND id > q.operation_id AND id <= q.dispatched_through
             AND due_at < now() - make_interval(secs => $1)
             AND (lease_until IS NULL OR lease_until < now())
           ORDER BY id LIMIT $2) n
         WHERE q.open AND q.dispatched_at < now() - make_interval(secs => $1)
           AND q.credential_id NOT IN (
             SELECT credential_id FROM credential_windows WHERE paused_until IS NOT NULL)) lost
       ORDER BY turn LIMIT $2`,
      [lostAfterMs / 1000, limit],
    );
    return rows;
  }

  /**
   * Audits `outstanding` against the rows. Row and counter change in the same transactions, so in
   * one snapshot any difference is a fault; it is added, not set, since both go on changing.
   *
   * @returns how many credentials were wrong.
   */
  async auditWindows(): Promise<number> {
    // Read without a lock: a locking read would take the counter's newest version beside old rows.
    const { rows } = await this.client.query<{ credential_id: Uuid; delta: number }>(
      `WITH actual AS (
         SELECT q.credential_id, sum(p.n)::int AS n
         FROM (
           SELECT operation_id, provider, credential_id, dispatched_through FROM operation_parts WHERE open OFFSET 0
         ) q CROSS JOIN ${OUTSTANDING_OF_PART} GROUP BY q.credential_id
       )
       SELECT w.credential_id, coalesce(a.n, 0) - w.outstanding AS delta
       FROM credential_windows w LEFT JOIN actual a USING (credential_id)
       WHERE coalesce(a.n, 0) <> w.outstanding`,
    );
    await changeWindows(this.client, new Map(rows.map((row) => [row.credential_id, row.delta])));
    return rows.length;
  }

  /**
   * Removes registrations of a deleted App, ≤ `limit` of one App, with their devices.
   *
   * @returns how many were removed.
   */
  async dropRegistrations(limit: number): Promise<number> {
    const { rows } = await this.client.query<{ id: Uuid; account_id: Uuid }>(
      'SELECT id, account_id FROM deleted_apps ORDER BY id LIMIT 1',
    );
    const [app] = rows;
    if (app === undefined) return 0;
    const { rowCount } = await this.client.query(
      `DELETE FROM device_registrations WHERE id IN (
         SELECT id FROM device_registrations WHERE account_id = $1 AND app_id = $2 LIMIT $3)`,
      [app.account_id, app.id, limit],
    );
    const dropped = rowCount ?? 0;
    // Nobody can add to a deleted App.
    if (dropped < limit)
      await this.client.query('DELETE FROM deleted_apps WHERE id = $1', [app.id]);
    return dropped;
  }
}

/** Rules that take a few operations a pass. */
export type Round = 'expire' | 'counters' | 'parts';

/** How far each has come: the operation that it looked at last; null: it begins anew. */
export type Rounds = Record<Round, Uuid | null>;

const ROUND = 'round ';

export class SweepRepository {
  constructor(private readonly db: Database) {}

  /**
   * How far the rounds have come, whichever worker made the last pass, and about how many operations are stored, as PostgreSQL
   * counted them last (0 before it did).
   */
  async rounds(): Promise<{ next: Rounds; operations: number }> {
    const rows = await this.db.query<{ name: string; value: string }>(
      `SELECT name, value FROM sweep_state WHERE starts_with(name, '${ROUND}')
       UNION ALL
       SELECT 'operations', greatest(reltuples, 0)::bigint::text FROM pg_class
       WHERE oid = 'operations'::regclass`,
    );
    const found = new Map(rows.map(({ name, value }) => [name, value]));
    const next = (round: Round) => found.get(ROUND + round) || null;
    return {
      next: { expire: next('expire'), counters: next('counters'), parts: next('parts') },
      operations: Number(found.get('operations') ?? 0),
    };
  }

  /** Where the next pass goes on with these. Of two that run side by side one is forgotten: that costs a second look. */
  async keepRounds(next: Partial<Rounds>): Promise<void> {
    const entries = Object.entries(next);
    await this.db.query(
      `INSERT INTO sweep_state (name, value) SELECT * FROM unnest($1::text[], $2::text[])
       ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
      [entries.map(([round]) => ROUND + round), entries.map(([, id]) => id ?? '')],
    );
  }

  /** Lost pushes have a job again: none of their parts is looked at until that may be lost too. */
  async handedOverAgain(pushes: readonly LostPush[]): Promise<void> {
    await this.db.query(
      `WITH parts AS (
         SELECT q.operation_id, q.provider FROM operation_parts q
         WHERE (q.operation_id, q.provider) IN (
           SELECT * FROM unnest($1::uuid[], $2::provider_kind[]))
         ORDER BY q.credential_id, q.operation_id FOR UPDATE OF q
       )
       UPDATE operation_parts q SET dispatched_at = clock_timestamp()
       FROM parts p WHERE q.operation_id = p.operation_id AND q.provider = p.provider`,
      [pushes.map((push) => push.operationId), pushes.map((push) => push.provider)],
    );
  }

  /**
   * Everything that was handed over to a queue which has forgotten it is dispatched again: a bounded number of
   * operations a transaction, so that nothing waits for all of them. A worker that dies meanwhile leaves to the next
   * one what it has not rewound.
   *
   * @param epoch of the queue that there is now.
   * @returns null when another worker is at it, or will be.
   */
  async rewindAll(
    epoch: string,
    { limit = REWOUND_AT_ONCE, isStopped = () => false }: Batches = {},
  ): Promise<{ parts: number; before: string | null } | null> {
    for (let parts = 0; ;) {
      const rewinding = await this.pass((pass) => pass.rewindNext(epoch, limit));
      if (rewinding === null) return null;
      parts += rewinding.parts;
      if (rewinding.isLast) return { parts, before: rewinding.before };
      if (isStopped()) return null;
    }
  }

  /**
   * Runs one pass, unless another worker is at it.
   *
   * @returns null when the lock is taken.
   */
  async pass<T>(work: (pass: SweepPass) => Promise<T>): Promise<T | null> {
    return this.db.transaction(async (client) => {
      const { rows } = await client.query<{ mine: boolean }>(
        `SELECT pg_try_advisory_xact_lock(hashtext('fanfare:sweep')) AS mine`,
      );
      return rows[0]?.mine === true ? work(new SweepPass(client)) : null;
    });
  }
}
