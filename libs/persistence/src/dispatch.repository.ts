import type { ProviderKind, Uuid } from '@app/domain';
import type { PoolClient } from 'pg';
import {
  countHandedOver,
  MAX_WINDOW,
  shareOf,
  WHOLE,
  WINDOWS,
  type Shares,
} from './credential-windows.js';
import type { Database, Statement } from './database.js';

export type DispatchLane = 'small' | 'bulk';

/** Pushes of one turn, ready to become jobs. */
export interface DispatchChunk {
  lane: DispatchLane;
  deliveries: readonly Dispatch[];
}

export interface Dispatch {
  id: Uuid;
  provider: ProviderKind;
  /** Milliseconds until the push is due, 0 = now. */
  delayMs: number;
  /** Among the first of a credential that had nothing outstanding: there is no more of it in the queue. */
  sparse: boolean;
}

/** Most pushes of a turn that are sparse, by credential. */
export const SPARSE_BURST = 4;

export interface Turns {
  /** The accounts whose turn it was, the one that had waited longest first. */
  accountIds: Uuid[];
  /** How many pushes were handed over. */
  handedOver: number;
}

/**
 * What waits for a retry of its own keeps no slot busy; with it the whole stays within the
 * largest window. A count that a rewind let fall below zero makes no room larger.
 */
const roomOf = (fcm: string, apn: string) => `least(
  least(w."window", ${shareOf(fcm, apn)}) - greatest(w.outstanding - w.waiting, 0), ${MAX_WINDOW} - w.outstanding)`;

/** Accounts that one transaction looks at: where each has little to send, they share its cost. */
const MAX_ACCOUNTS = 32;

/**
 * The busy (account, credential) pairs, found by a loose index scan: the cost follows their number, not
 * the number of operations that wait.
 */
const busyIn = (lane: string) => `
WITH RECURSIVE busy AS (
  (SELECT account_id, credential_id FROM operation_parts WHERE pending AND lane = ${lane}
   ORDER BY account_id, credential_id LIMIT 1)
  UNION ALL
  (SELECT next.account_id, next.credential_id FROM busy CROSS JOIN LATERAL (
     SELECT account_id, credential_id FROM operation_parts
     WHERE pending AND lane = ${lane} AND (account_id, credential_id) > (busy.account_id, busy.credential_id)
     ORDER BY account_id, credential_id LIMIT 1) next)
)`;

/** As `busyIn`, and those of them that have room: `ready`. */
const readyIn = (lane: string, fcm: string, apn: string) => `${busyIn(lane)}, ready AS (
  SELECT busy.account_id, busy.credential_id FROM busy JOIN ${WINDOWS} USING (credential_id)
  WHERE ${roomOf(fcm, apn)} > 0 AND w.paused_until IS NULL
)`;

/** Looked at without a transaction, since mostly there is none: each settlement asks. */
const LANES: Statement = {
  name: 'lanes-with-work',
  text: `
SELECT lanes.lane FROM (VALUES ('small'::lane), ('bulk')) AS lanes (lane)
WHERE EXISTS (
  ${readyIn('lanes.lane', '$1', '$2')}
  SELECT FROM ready)`,
};

/** The accounts that wait longest among those with work and room. */
const NEXT_TURNS: Statement = {
  name: 'next-turns',
  text: `${readyIn('$1', '$2', '$3')}, accounts AS (
  SELECT account_id, array_agg(credential_id ORDER BY credential_id) AS credential_ids FROM ready GROUP BY account_id
)
SELECT t.account_id, accounts.credential_ids FROM dispatch_turns t JOIN accounts USING (account_id)
WHERE t.lane = $1 ORDER BY t.last_turn_at LIMIT ${MAX_ACCOUNTS} FOR UPDATE OF t SKIP LOCKED`,
};

const ROOMS: Statement = {
  name: 'rooms',
  text: `
SELECT credential_id, greatest(${roomOf('$2', '$3')}, 0) AS room, w.outstanding <= 0 AS is_idle
FROM ${WINDOWS}
WHERE credential_id = ANY($1::uuid[]) AND paused_until IS NULL ORDER BY credential_id`,
};

/**
 * A statement of its own: what is read after it sees what a cancel or the begin of a schedule
 * committed while it waited.
 */
const LOCK_NEXT_PARTS: Statement = {
  name: 'lock-next-parts',
  text: `
SELECT operation_id, provider, dispatched_through FROM operation_parts
WHERE pending AND lane = $1 AND account_id = $2 AND credential_id = $3
ORDER BY operation_id LIMIT $4 FOR UPDATE`,
};

/**
 * The next pushes of a credential, by operation. QUEUED rows are read by id whatever their due_at:
 * one that is not due yet becomes a delayed job. LATERAL makes it a nested loop: rows come in the
 * order of the parts, and LIMIT ends the reading early.
 */
const NEXT_PUSHES: Statement = {
  name: 'next-pushes',
  text: `
SELECT parts.operation_id, parts.provider, n.id,
  greatest(0, ceil(extract(epoch FROM n.due_at - now()) * 1000))::float8 AS delay_ms
FROM unnest($1::uuid[], $2::provider_kind[], $3::uuid[]) AS parts (operation_id, provider, dispatched_through)
LEFT JOIN LATERAL (
  SELECT id, due_at FROM push_notifications
  WHERE operation_id = parts.operation_id AND provider = parts.provider AND status = 'QUEUED'
    AND id > coalesce(parts.dispatched_through, parts.operation_id)
    AND id <= (SELECT last_push_id FROM operations WHERE id = parts.operation_id)
  ORDER BY id LIMIT $4
) n ON true
LIMIT $4`,
};

const ADVANCE: Statement = {
  name: 'advance',
  text: `
UPDATE operation_parts p SET dispatched_through = coalesce(a.through, p.dispatched_through),
  pending = a.pending, open = p.open OR a.through IS NOT NULL,
  dispatched_at = CASE WHEN a.through IS NULL THEN p.dispatched_at ELSE clock_timestamp() END
FROM unnest($1::uuid[], $2::provider_kind[], $3::uuid[], $4::boolean[])
  AS a (operation_id, provider, through, pending)
WHERE p.operation_id = a.operation_id AND p.provider = a.provider`,
};

const TURNS_TAKEN: Statement = {
  name: 'turns-taken',
  text: `UPDATE dispatch_turns SET last_turn_at = clock_timestamp() WHERE account_id = ANY($1::uuid[]) AND lane = $2`,
};

interface PartRow {
  operation_id: Uuid;
  provider: ProviderKind;
  dispatched_through: Uuid | null;
}

interface PushRow {
  operation_id: Uuid;
  provider: ProviderKind;
  id: Uuid | null;
  delay_ms: number | null;
}

export class DispatchRepository {
  constructor(private readonly db: Database) {}

  /** @returns the lanes in which some account has work and room. */
  async lanesWithWork(shares: Shares = WHOLE): Promise<DispatchLane[]> {
    const rows = await this.db.query<{ lane: DispatchLane }>(LANES, [shares.FCM, shares.APN]);
    return rows.map(({ lane }) => lane);
  }

  /**
   * The next turns of a lane: takes the accounts that wait longest, gives their next pushes, an equal part
   * of `limit` each, to `handOver` and then moves the cursors. Everything happens in one transaction that holds the turns' rows: other dispatchers pass them by
   * (SKIP LOCKED), a failure moves nothing, and jobs that were added all the same do no harm (equal job
   * ids, claims).
   *
   * @param shares most that a credential may have in hand, whatever its window.
   * @returns null when no account has work and room in that lane.
   */
  async takeTurns(
    lane: DispatchLane,
    limit: number,
    handOver: (chunk: DispatchChunk) => Promise<void>,
    shares: Shares = WHOLE,
  ): Promise<Turns | null> {
    return this.db.transaction(async (client) => {
      const { rows } = await client.query<TurnRow>({
        ...NEXT_TURNS,
        values: [lane, shares.FCM, shares.APN],
      });
      if (rows.length === 0) return null;
      const taken = await takePushes(client, lane, rows, limit, shares);
      const { deliveries, accountIds, advances } = taken;
      if (deliveries.length > 0) await handOver({ lane, deliveries });
      await client.query({
        ...ADVANCE,
        values: [
          advances.map((a) => a.operationId),
          advances.map((a) => a.provider),
          advances.map((a) => a.through),
          advances.map((a) => a.pending),
        ],
      });
      await client.query({ ...TURNS_TAKEN, values: [accountIds, lane] });
      await countHandedOver(client, taken.counts);
      return { accountIds, handedOver: deliveries.length };
    });
  }
}

interface TurnRow {
  account_id: Uuid;
  credential_ids: Uuid[];
}

interface Taken {
  accountIds: Uuid[];
  advances: PartAdvance[];
  deliveries: Dispatch[];
  /** By credential. */
  counts: Map<Uuid, number>;
}

/**
 * The next pushes of accounts, an equal part of `limit` each. Their parts are locked in the order of the
 * house, by credential.
 */
async function takePushes(
  client: PoolClient,
  lane: DispatchLane,
  turns: readonly TurnRow[],
  limit: number,
  shares: Shares,
): Promise<Taken> {
  const accountIds = turns.map((turn) => turn.account_id);
  const taken: Taken = { accountIds, advances: [], deliveries: [], counts: new Map() };
  const { deliveries } = taken;
  const pairs = turns
    .flatMap((turn) => turn.credential_ids.map((credentialId) => ({ turn, credentialId })))
    .sort((a, b) => (a.credentialId < b.credentialId ? -1 : 1));
  const rooms = await roomsOf(
    client,
    pairs.map(({ credentialId }) => credentialId),
    shares,
  );
  const budget = new Map(turns.map((turn) => [turn, Math.ceil(limit / turns.length)]));
  for (const { turn, credentialId } of pairs) {
    const left = budget.get(turn) ?? 0;
    const { room, is_idle: isIdle } = rooms.get(credentialId) ?? NO_ROOM;
    const take = Math.min(room, left);
    if (take <= 0) continue;
    const parts = await client.query<PartRow>({
      ...LOCK_NEXT_PARTS,
      values: [lane, turn.account_id, credentialId, take + 1],
    });
    const read = await client.query<PushRow>({
      ...NEXT_PUSHES,
      values: [
        parts.rows.map((part) => part.operation_id),
        parts.rows.map((part) => part.provider),
        parts.rows.map((part) => part.dispatched_through),
        take + 1,
      ],
    });
    const before = deliveries.length;
    taken.advances.push(...cut(read.rows, take, isIdle ? SPARSE_BURST : 0, deliveries));
    const count = deliveries.length - before;
    taken.counts.set(credentialId, count);
    budget.set(turn, left - count);
  }
  return taken;
}

interface PartAdvance {
  operationId: Uuid;
  provider: ProviderKind;
  /** Highest id handed over, null when there was none. */
  through: Uuid | null;
  /** More may lie above. */
  pending: boolean;
}

interface RoomRow {
  credential_id: Uuid;
  room: number;
  /** Nothing of it is outstanding. */
  is_idle: boolean;
}

const NO_ROOM: Pick<RoomRow, 'room' | 'is_idle'> = { room: 0, is_idle: false };

async function roomsOf(
  client: PoolClient,
  credentialIds: readonly Uuid[],
  shares: Shares,
): Promise<ReadonlyMap<Uuid, RoomRow>> {
  const { rows } = await client.query<RoomRow>({
    ...ROOMS,
    values: [credentialIds, shares.FCM, shares.APN],
  });
  return new Map(rows.map((row) => [row.credential_id, row]));
}

/**
 * Takes the first `take` rows, the first `sparse` of them as such; one row more than that tells that the last part goes
 * on. Rows come part by part, a part without pushes as one row without id.
 */
function cut(
  rows: readonly PushRow[],
  take: number,
  sparse: number,
  into: Dispatch[],
): PartAdvance[] {
  const advances: PartAdvance[] = [];
  const before = into.length;
  for (const [at, row] of rows.entries()) {
    let part = advances.at(-1);
    if (part?.operationId !== row.operation_id || part.provider !== row.provider) {
      part = {
        operationId: row.operation_id,
        provider: row.provider,
        through: null,
        pending: false,
      };
      advances.push(part);
    }
    if (at >= take) {
      part.pending = true;
    } else if (row.id !== null) {
      into.push({
        id: row.id,
        provider: row.provider,
        delayMs: row.delay_ms ?? 0,
        sparse: into.length - before < sparse,
      });
      part.through = row.id;
    }
  }
  return advances;
}
