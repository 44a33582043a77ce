import type { ProviderKind, Uuid } from '@app/domain';
import type { Database } from './database.js';
import { MAX_WINDOW, shareOf, WINDOWS, type Shares } from './credential-windows.js';
import type { DispatchLane } from './dispatch.repository.js';
import { LOCK_PARTS } from './locks.js';
import { OUTSTANDING_OF_PART, REWOUND_AT_ONCE, type Batches } from './sweep.repository.js';

/** A push that tries whether its credential works again. */
export interface Probe {
  id: Uuid;
  provider: ProviderKind;
  lane: DispatchLane;
}

/** All workers together. */
export interface Crew {
  /** Pushes of one provider that they can have in hand at once. */
  slots: number;
  /** By provider, since each has slots of its own. */
  credentials: Readonly<Record<ProviderKind, BusyCredentials>>;
}

export interface BusyCredentials {
  /** They had something handed over within a minute, and are not paused. */
  active: number;
  /** Those among them that have something outstanding right now. */
  busy: number;
}

/** A worker that was not seen for so long has ended. */
const WORKER_GONE = `interval '15 seconds'`;

interface SeenRow {
  slots: number;
  fcm_active: number;
  fcm_busy: number;
  apn_active: number;
  apn_busy: number;
}

const SEEN = `
WITH gone AS (DELETE FROM workers WHERE seen_at < now() - ${WORKER_GONE} AND id <> $1),
seen AS (
  INSERT INTO workers (id, slots, seen_at) VALUES ($1, $2, now())
  ON CONFLICT (id) DO UPDATE SET slots = excluded.slots, seen_at = now()
)
SELECT $2 + coalesce((
    SELECT sum(slots) FROM workers WHERE id <> $1 AND seen_at >= now() - ${WORKER_GONE}), 0)::int AS slots,
  count(*) FILTER (WHERE is_fcm)::int AS fcm_active, count(*) FILTER (WHERE is_fcm AND is_busy)::int AS fcm_busy,
  count(*) FILTER (WHERE NOT is_fcm)::int AS apn_active, count(*) FILTER (WHERE NOT is_fcm AND is_busy)::int AS apn_busy
FROM (
  SELECT c.credential_type = 'FCM' AS is_fcm, w.outstanding > w.waiting AS is_busy
  FROM ${WINDOWS}
  WHERE w.paused_until IS NULL AND (w.outstanding > 0 OR w.handed_over_at > now() - interval '1 minute')
) AS active`;

/**
 * Of credentials that may be held up by it. The count is as old as the last look: what waits may be due
 * by now, and a window is overstepped by no more than that.
 */
const COUNT_WAITING = `
WITH near AS (
  SELECT w.credential_id FROM ${WINDOWS}
  WHERE w.paused_until IS NULL AND (w.outstanding * 2 >= least(w."window", ${shareOf('$1', '$2')}) OR w.waiting > 0)
  ORDER BY w.credential_id LIMIT 100 FOR NO KEY UPDATE OF w SKIP LOCKED
), counted AS (
  SELECT q.credential_id, sum(p.n)::int AS n
  FROM near JOIN operation_parts q ON q.credential_id = near.credential_id AND q.open
  CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM push_notifications
    WHERE operation_id = q.operation_id AND provider = q.provider AND status = 'QUEUED'
      AND id > q.operation_id AND id <= q.dispatched_through AND due_at > now() + interval '1 second'
  ) p
  GROUP BY q.credential_id
)
UPDATE credential_windows w SET waiting = coalesce(counted.n, 0)
FROM near LEFT JOIN counted USING (credential_id)
WHERE w.credential_id = near.credential_id AND w.waiting <> coalesce(counted.n, 0)`;

/** Only a window that is used shows that more would be taken. */
const GROW = `
WITH quiet AS (
  SELECT credential_id FROM credential_windows
  WHERE paused_until IS NULL AND "window" < ${MAX_WINDOW} AND (outstanding - waiting) * 2 >= "window"
    AND window_changed_at < now() - interval '10 seconds'
  ORDER BY credential_id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE credential_windows w
SET "window" = least(w."window" + greatest($1 / 10, 1), ${MAX_WINDOW}), window_changed_at = now()
FROM quiet WHERE w.credential_id = quiet.credential_id`;

/** After a quiet time FCM wants its load to rise slowly again. */
const REST = `
WITH rested AS (
  SELECT credential_id FROM credential_windows
  WHERE "window" > $1 AND handed_over_at < now() - interval '10 minutes'
  ORDER BY credential_id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE credential_windows w SET "window" = $1, window_changed_at = now()
FROM rested WHERE w.credential_id = rested.credential_id`;

/**
 * Candidates are what dispatch would hand over and what it did. One without overrides is preferred:
 * what it hears is about the credential.
 */
const CANDIDATES = `
SELECT c.id, c.provider, c.lane FROM (
  SELECT n.id, q.provider, q.lane, q.operation_id
  FROM (
    (SELECT operation_id, provider, lane FROM operation_parts WHERE credential_id = $1 AND open
     ORDER BY operation_id LIMIT $3)
    UNION
    (SELECT operation_id, provider, lane FROM operation_parts
     WHERE pending AND lane = 'small' AND account_id = $2 AND credential_id = $1 ORDER BY operation_id LIMIT $3)
    UNION
    (SELECT operation_id, provider, lane FROM operation_parts
     WHERE pending AND lane = 'bulk' AND account_id = $2 AND credential_id = $1 ORDER BY operation_id LIMIT $3)
  ) q CROSS JOIN LATERAL (
    SELECT id FROM push_notifications
    WHERE operation_id = q.operation_id AND provider = q.provider AND status = 'QUEUED' AND id > q.operation_id
      AND id <= (SELECT last_push_id FROM operations WHERE id = q.operation_id)
      AND due_at <= now() AND (lease_until IS NULL OR lease_until < now()) AND id <> ALL ($4::uuid[])
    ORDER BY id LIMIT 1
  ) n
) c JOIN operations o ON o.id = c.operation_id
ORDER BY (o.overrides IS NOT NULL), c.id LIMIT 1`;

/**
 * Parts of each kind that are looked through for a probe: what comes first may wait for a retry of its own. Where the first
 * look finds nothing there is a longer one, and where that finds nothing either the pause ends without a probe.
 */
const PARTS_LOOKED_AT = [100, 10_000];

/** So long nobody else looks for a probe. */
const LOOKING = `interval '10 seconds'`;

interface PausedRow {
  account_id: Uuid;
  last_probe: Uuid | null;
  paused_by: Uuid | null;
}

/** $1 credential, $2 at most so many. */
const OPEN_OPERATIONS = `
SELECT o.id FROM operations o WHERE o.id IN (
  SELECT operation_id FROM operation_parts WHERE credential_id = $1 AND open ORDER BY operation_id LIMIT $2)
ORDER BY o.id FOR NO KEY UPDATE`;

const LOCK_PAUSED = `
SELECT FROM credential_windows
WHERE credential_id = $1 AND paused_until IS NOT NULL AND probe IS NOT DISTINCT FROM $2 FOR NO KEY UPDATE`;

/**
 * $1 credential, $2 the locked ones of its operations, $3 whether they are the last, $4 whether a probe showed that
 * it works. All of it is read from before the cursors move. Until the last are rewound the pause lasts, so nothing of
 * it is handed over meanwhile.
 */
const RESUME = `
WITH counted AS (
  SELECT coalesce(sum(p.n), 0)::int AS n FROM operation_parts q CROSS JOIN ${OUTSTANDING_OF_PART}
  WHERE q.credential_id = $1 AND q.operation_id = ANY($2::uuid[])
), rewound AS (
  UPDATE operation_parts SET dispatched_through = NULL, pending = true, open = false
  WHERE credential_id = $1 AND operation_id = ANY($2::uuid[])
)
UPDATE credential_windows w
SET paused_until = CASE WHEN NOT $3 THEN w.paused_until END, probe = CASE WHEN NOT $3 THEN w.probe END,
  paused_by = CASE WHEN NOT $3 THEN w.paused_by END, last_probe = CASE WHEN NOT $3 THEN w.last_probe END,
  pause_reason = CASE WHEN NOT $3 THEN w.pause_reason END,
  pauses = CASE WHEN $3 AND $4 THEN 0 ELSE w.pauses END,
  outstanding = w.outstanding - counted.n
FROM counted WHERE w.credential_id = $1`;

/** How much of which credential may be handed over: windows, pauses, probes. */
export class AdmissionRepository {
  constructor(private readonly db: Database) {}

  /**
   * Says that this worker is alive.
   *
   * @param slots pushes of one provider that it can have in hand at once.
   */
  async seen(workerId: Uuid, slots: number): Promise<Crew> {
    const [row] = await this.db.query<SeenRow>(SEEN, [workerId, slots]);
    return {
      slots: row?.slots ?? slots,
      credentials: {
        FCM: { active: row?.fcm_active ?? 0, busy: row?.fcm_busy ?? 0 },
        APN: { active: row?.apn_active ?? 0, busy: row?.apn_busy ?? 0 },
      },
    };
  }

  /**
   * Counts what waits for a retry of its own, where that may keep others out of a window.
   *
   * @param shares most that a credential may have outstanding.
   */
  async countWaiting(shares: Shares): Promise<void> {
    await this.db.query(COUNT_WAITING, [shares.FCM, shares.APN]);
  }

  async gone(workerId: Uuid): Promise<void> {
    await this.db.query('DELETE FROM workers WHERE id = $1', [workerId]);
  }

  /**
   * Widens the windows that are used and were quiet for ten seconds by a tenth of `start`; one that
   * nothing was handed over of for ten minutes begins anew.
   *
   * @see https://firebase.google.com/docs/cloud-messaging/scale-fcm
   */
  async grow(start: number): Promise<void> {
    await this.db.query(GROW, [start]);
    await this.db.query(REST, [start]);
  }

  /** Credentials whose pause has lasted long enough: each wants a probe. */
  async due(): Promise<Uuid[]> {
    const rows = await this.db.query<{ credential_id: Uuid }>(
      `SELECT credential_id FROM credential_windows WHERE paused_until IS NOT NULL AND paused_until <= now()
       ORDER BY paused_until LIMIT 100`,
    );
    return rows.map((row) => row.credential_id);
  }

  /**
   * Chooses the one push that may be sent in spite of the pause: never the one that caused it, nor the probe before, be it
   * that it was refused or that nothing was heard of it. Without word of it within `timeoutMs` another one is chosen.
   *
   * @returns null when there is no other push that is due; 'taken' when another worker was faster.
   */
  async beginProbe(credentialId: Uuid, timeoutMs: number): Promise<Probe | 'taken' | null> {
    const [paused] = await this.db.query<PausedRow>(
      `UPDATE credential_windows
       SET paused_until = now() + ${LOOKING}, last_probe = coalesce(probe, last_probe), probe = NULL
       WHERE credential_id = $1 AND paused_until <= now()
       RETURNING account_id, last_probe, paused_by`,
      [credentialId],
    );
    if (paused === undefined) return 'taken';
    // Nothing is locked meanwhile: settlements of the credential would wait, and their neighbours behind them.
    const probe = await this.findProbe(credentialId, paused);
    if (probe === null) return null;
    const begun = await this.db.query(
      `UPDATE credential_windows SET probe = $2, paused_until = now() + make_interval(secs => $3)
       WHERE credential_id = $1 AND paused_until IS NOT NULL AND probe IS NULL RETURNING credential_id`,
      [credentialId, probe.id, timeoutMs / 1_000],
    );
    return begun.length === 0 ? 'taken' : probe;
  }

  private async findProbe(credentialId: Uuid, paused: PausedRow): Promise<Probe | null> {
    const { account_id: accountId, last_probe: lastProbe, paused_by: pausedBy } = paused;
    const notThese = [lastProbe, pausedBy].filter((id) => id !== null);
    for (const parts of PARTS_LOOKED_AT) {
      const [found] = await this.db.query<Probe>(CANDIDATES, [
        credentialId,
        accountId,
        parts,
        notThese,
      ]);
      if (found !== undefined) return found;
    }
    return null;
  }

  /** The probe could not tell: another one comes in `afterMs`. */
  async probeAgain(credentialId: Uuid, probe: Uuid, afterMs: number): Promise<void> {
    await this.db.query(
      `UPDATE credential_windows SET paused_until = now() + make_interval(secs => $3)
       WHERE credential_id = $1 AND probe = $2 AND paused_until IS NOT NULL`,
      [credentialId, probe, afterMs / 1_000],
    );
  }

  /**
   * Ends a pause: what had been handed over and has no job any more is handed over again. With very many open
   * operations it takes several transactions; should the worker die between them, the pause lasts until its probe
   * is given up, and the next one ends it.
   *
   * @param probe the push that showed that the credential works; null: there was none to send.
   * @returns false when the pause is over already, another probe is on its way, or it was stopped.
   */
  async resume(
    credentialId: Uuid,
    probe: Uuid | null,
    { limit = REWOUND_AT_ONCE, isStopped = () => false }: Batches = {},
  ): Promise<boolean> {
    for (;;) {
      const resumed = await this.db.transaction(async (client) => {
        const operations = await client.query<{ id: Uuid }>(OPEN_OPERATIONS, [credentialId, limit]);
        const ids = operations.rows.map(({ id }) => id);
        await client.query(LOCK_PARTS, [ids]);
        const paused = await client.query(LOCK_PAUSED, [credentialId, probe]);
        if (paused.rowCount === 0) return false;
        const isLast = ids.length < limit;
        await client.query(RESUME, [credentialId, ids, isLast, probe !== null]);
        return isLast ? true : undefined;
      });
      if (resumed !== undefined) return resumed;
      if (isStopped()) return false;
    }
  }

  /** Something of a credential's pushes fails for a reason that its owner should know; it works otherwise. */
  async warn(credentialId: Uuid, warning: string): Promise<void> {
    await this.db.query(
      `UPDATE credential_windows SET warning = $2, warned_at = now() WHERE credential_id = $1`,
      [credentialId, warning],
    );
  }
}
