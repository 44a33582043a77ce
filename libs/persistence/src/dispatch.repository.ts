import type { ProviderKind, Uuid } from '@app/domain';
import type { PoolClient } from 'pg';
import { MAX_WINDOW, shareOf, WHOLE, WINDOWS, type Shares } from './credential-windows.js';
import type { Database, Statement } from './database.js';

export const DISPATCH_LANES = ['small', 'bulk'] as const;
export type DispatchLane = (typeof DISPATCH_LANES)[number];

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
  /** With it no more than `SPARSE_BURST` of its credential are outstanding, none is left, and it is not slowed. */
  sparse: boolean;
}

/** Most pushes of a credential that are sparse at once. */
export const SPARSE_BURST = 4;

export interface Turns {
  /** The accounts whose turn it was, the one that had waited longest first. */
  accountIds: Uuid[];
  /** How many pushes were handed over. */
  handedOver: number;
  /** Parts that hold nothing more to hand over, whether anything was or not: behind them others come up. */
  passed: number;
  /** How many pushes were handed over of each credential that had a turn. */
  counts: ReadonlyMap<Uuid, number>;
  /** Those of them that have more to send in that lane. */
  backlogs: ReadonlySet<Uuid>;
}

/** By lane, credentials that get less of a turn than there is room for. */
export type Slowed = Readonly<Record<DispatchLane, SlowedInLane>>;

export interface SlowedInLane {
  credentialIds: readonly Uuid[];
  /** So many pushes each; 0: they rest. */
  most: number;
}

export const NOBODY_SLOWED: Slowed = {
  small: { credentialIds: [], most: 0 },
  bulk: { credentialIds: [], most: 0 },
};

const restingIn = (lane: DispatchLane, slowed: Slowed) =>
  slowed[lane].most > 0 ? [] : slowed[lane].credentialIds;

/** Most that a credential may have in hand. */
const mostOf = (fcm: string, apn: string) => `least(w."window", ${shareOf(fcm, apn)})`;

/**
 * What waits for a retry of its own keeps no slot busy. A count that a rewind let fall below zero makes no
 * room larger.
 */
const freeOf = (fcm: string, apn: string) =>
  `${mostOf(fcm, apn)} - greatest(w.outstanding - w.waiting, 0)`;

/** With what waits for a retry of its own the whole stays within the largest window. */
const roomOf = (fcm: string, apn: string) =>
  `least(${freeOf(fcm, apn)}, ${MAX_WINDOW} - w.outstanding)`;

/** A turn costs as much for one push as for dozens, and each settlement makes room. */
const TURN_EVERY = `interval '50 milliseconds'`;

/**
 * A credential gets its next turn when an eighth of what it may have in hand came free, or a little while after its last
 * one: until then what it has in hand keeps the workers busy, and its small sends wait no longer behind its bulk.
 */
const isReady = (fcm: string, apn: string) =>
  `w.paused_until IS NULL AND ${roomOf(fcm, apn)} > 0
    AND ((${freeOf(fcm, apn)}) * 8 >= ${mostOf(fcm, apn)} OR w.handed_over_at < now() - ${TURN_EVERY})`;

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

/** As `busyIn`, and those of them that have room and do not rest: `ready`. */
const readyIn = (
  lane: string,
  fcm: string,
  apn: string,
  resting: string,
) => `${busyIn(lane)}, ready AS (
  SELECT busy.account_id, busy.credential_id FROM busy JOIN ${WINDOWS} USING (credential_id)
  WHERE ${isReady(fcm, apn)} AND busy.credential_id <> ALL (${resting})
)`;

/** Looked at without a transaction, since mostly there is none: each settlement asks. */
const LANES: Statement = {
  name: 'lanes-with-work',
  text: `
SELECT lanes.lane FROM (VALUES ('small'::lane), ('bulk')) AS lanes (lane)
WHERE EXISTS (
  ${readyIn('lanes.lane', '$1', '$2', `CASE lanes.lane WHEN 'small' THEN $3::uuid[] ELSE $4::uuid[] END`)}
  SELECT FROM ready)`,
};

/** The accounts that wait longest among those with work and room. */
const NEXT_TURNS: Statement = {
  name: 'next-turns',
  text: `${readyIn('$1', '$2', '$3', '$4::uuid[]')}, accounts AS (
  SELECT account_id, array_agg(credential_id ORDER BY credential_id) AS credential_ids FROM ready GROUP BY account_id
)
SELECT t.account_id, accounts.credential_ids FROM dispatch_turns t JOIN accounts USING (account_id)
WHERE t.lane = $1 ORDER BY t.last_turn_at LIMIT ${MAX_ACCOUNTS} FOR UPDATE OF t SKIP LOCKED`,
};

/**
 * The next parts of (account, credential) pairs, and the room that each has now. They are locked in the order of the
 * house, by credential: OFFSET keeps the order of the pairs, LATERAL makes it a nested loop. A statement of its own:
 * what is read after it sees what a cancel or the begin of a schedule committed while it waited.
 */
const LOCK_NEXT_PARTS: Statement = {
  name: 'lock-next-parts',
  text: `
SELECT pairs.account_id, pairs.credential_id, pairs.most, pairs.sparse, q.operation_id, q.provider, q.dispatched_through
FROM (
  SELECT a.account_id, w.credential_id, least(${roomOf('$5', '$6')}, a.most) AS most,
    greatest(${SPARSE_BURST} - greatest(w.outstanding - w.waiting, 0), 0) AS sparse
  FROM unnest($2::uuid[], $3::uuid[], $4::int[]) AS a (account_id, credential_id, most)
  JOIN ${WINDOWS} USING (credential_id)
  WHERE w.paused_until IS NULL ORDER BY w.credential_id OFFSET 0
) pairs CROSS JOIN LATERAL (
  SELECT operation_id, provider, dispatched_through FROM operation_parts
  WHERE pending AND lane = $1 AND account_id = pairs.account_id AND credential_id = pairs.credential_id
  ORDER BY operation_id LIMIT greatest(pairs.most, 0) + 1 FOR UPDATE
) q
WHERE pairs.most > 0`,
};

/**
 * The next pushes of the pairs whose parts are $1 to $3, from the $4th to the $5th each, by operation. QUEUED rows are
 * read by id whatever their due_at: one that is not due yet becomes a delayed job. LATERAL makes it a nested loop: rows
 * come in the order of the parts, and LIMIT ends the reading early.
 */
const NEXT_PUSHES: Statement = {
  name: 'next-pushes',
  text: `
SELECT pairs.pair::int, next.* FROM unnest($4::int[], $5::int[], $6::int[]) WITH ORDINALITY AS pairs (first, last, most, pair)
CROSS JOIN LATERAL (
  SELECT parts.operation_id, parts.provider, n.id,
    greatest(0, ceil(extract(epoch FROM n.due_at - now()) * 1000))::float8 AS delay_ms
  FROM unnest(($1::uuid[])[pairs.first:pairs.last], ($2::provider_kind[])[pairs.first:pairs.last],
      ($3::uuid[])[pairs.first:pairs.last])
    AS parts (operation_id, provider, dispatched_through)
  LEFT JOIN LATERAL (
    SELECT id, due_at FROM push_notifications
    WHERE operation_id = parts.operation_id AND provider = parts.provider AND status = 'QUEUED'
      AND id > coalesce(parts.dispatched_through, parts.operation_id)
      AND id <= (SELECT last_push_id FROM operations WHERE id = parts.operation_id)
    ORDER BY id LIMIT pairs.most + 1
  ) n ON true
  LIMIT pairs.most + 1
) next`,
};

/**
 * Moves the cursors ($1 to $4), puts the accounts ($5) of the lane ($6) at the end of the line and counts what was handed
 * over ($7, $8). Of the rows only the windows are not locked yet, and they are the last ones of a transaction, by id; see
 * `changeWindows`.
 */
const ADVANCE: Statement = {
  name: 'advance',
  text: `
WITH advanced AS (
  UPDATE operation_parts p SET dispatched_through = coalesce(a.through, p.dispatched_through),
    pending = a.pending, open = p.open OR a.through IS NOT NULL,
    dispatched_at = CASE WHEN a.through IS NULL THEN p.dispatched_at ELSE clock_timestamp() END
  FROM unnest($1::uuid[], $2::provider_kind[], $3::uuid[], $4::boolean[])
    AS a (operation_id, provider, through, pending)
  WHERE p.operation_id = a.operation_id AND p.provider = a.provider
), taken AS (
  UPDATE dispatch_turns SET last_turn_at = clock_timestamp() WHERE account_id = ANY($5::uuid[]) AND lane = $6
), locked AS (
  SELECT credential_id FROM credential_windows WHERE credential_id = ANY($7::uuid[])
  ORDER BY credential_id FOR NO KEY UPDATE
)
UPDATE credential_windows w SET outstanding = w.outstanding + d.change, handed_over_at = now()
FROM unnest($7::uuid[], $8::int[]) AS d (credential_id, change) JOIN locked USING (credential_id)
WHERE w.credential_id = d.credential_id`,
};

interface PartRow {
  account_id: Uuid;
  credential_id: Uuid;
  /** Pushes of this pair that may be handed over. */
  most: number;
  /** Of those, how many are sparse. */
  sparse: number;
  operation_id: Uuid;
  provider: ProviderKind;
  dispatched_through: Uuid | null;
}

interface PushRow {
  /** Of `Pair`s, from 1. */
  pair: number;
  operation_id: Uuid;
  provider: ProviderKind;
  id: Uuid | null;
  delay_ms: number | null;
}

export class DispatchRepository {
  constructor(private readonly db: Database) {}

  /** @returns the lanes in which some account has work and room. */
  async lanesWithWork(shares: Shares = WHOLE, slowed = NOBODY_SLOWED): Promise<DispatchLane[]> {
    const rows = await this.db.query<{ lane: DispatchLane }>(LANES, [
      shares.FCM,
      shares.APN,
      restingIn('small', slowed),
      restingIn('bulk', slowed),
    ]);
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
    slowed = NOBODY_SLOWED,
  ): Promise<Turns | null> {
    return this.db.transaction(async (client) => {
      const { rows } = await client.query<TurnRow>({
        ...NEXT_TURNS,
        values: [lane, shares.FCM, shares.APN, restingIn(lane, slowed)],
      });
      if (rows.length === 0) return null;
      const accountIds = rows.map((turn) => turn.account_id);
      const taken = await takePushes(client, lane, rows, limit, shares, slowed);
      const { deliveries, advances, counts, backlogs } = taken;
      const passed = advances.filter(({ pending }) => !pending).length;
      if (deliveries.length > 0) await handOver({ lane, deliveries });
      await client.query({
        ...ADVANCE,
        values: [
          advances.map((a) => a.operationId),
          advances.map((a) => a.provider),
          advances.map((a) => a.through),
          advances.map((a) => a.pending),
          accountIds,
          lane,
          [...counts.keys()],
          [...counts.values()],
        ],
      });
      return { accountIds, handedOver: deliveries.length, passed, counts, backlogs };
    });
  }
}

interface TurnRow {
  account_id: Uuid;
  credential_ids: Uuid[];
}

interface Taken {
  advances: PartAdvance[];
  deliveries: Dispatch[];
  /** By credential. */
  counts: Map<Uuid, number>;
  /** Those of `counts` that have more. */
  backlogs: Set<Uuid>;
}

/** The parts of one credential in a turn: those from `first` to `last`, counted from 1. */
interface Pair extends Pick<PartRow, 'credential_id' | 'most' | 'sparse'> {
  first: number;
  last: number;
}

/**
 * The next pushes of accounts, an equal part of `limit` each, and of that for each of their credentials that are ready, one at least:
 * where credentials are many, a turn is longer than `limit`.
 */
async function takePushes(
  client: PoolClient,
  lane: DispatchLane,
  turns: readonly TurnRow[],
  limit: number,
  shares: Shares,
  slowed: Slowed,
): Promise<Taken> {
  const isSlowed = new Set(slowed[lane].credentialIds);
  const wanted = turns.flatMap(({ account_id: accountId, credential_ids: credentialIds }) =>
    credentialIds.map((credentialId) => {
      const part = Math.ceil(limit / turns.length / credentialIds.length);
      const most = isSlowed.has(credentialId) ? Math.min(part, slowed[lane].most) : part;
      return { accountId, credentialId, most };
    }),
  );
  const { rows: parts } = await client.query<PartRow>({
    ...LOCK_NEXT_PARTS,
    values: [
      lane,
      wanted.map((pair) => pair.accountId),
      wanted.map((pair) => pair.credentialId),
      wanted.map((pair) => pair.most),
      shares.FCM,
      shares.APN,
    ],
  });
  const pairs = pairsOf(parts);
  const taken: Taken = { advances: [], deliveries: [], counts: new Map(), backlogs: new Set() };
  if (pairs.length === 0) return taken;
  const { rows } = await client.query<PushRow>({
    ...NEXT_PUSHES,
    values: [
      parts.map((part) => part.operation_id),
      parts.map((part) => part.provider),
      parts.map((part) => part.dispatched_through),
      pairs.map((pair) => pair.first),
      pairs.map((pair) => pair.last),
      pairs.map((pair) => pair.most),
    ],
  });
  const rowsOf = Map.groupBy(rows, (row) => row.pair);
  for (const [at, { credential_id: credentialId, most, sparse }] of pairs.entries()) {
    const before = taken.deliveries.length;
    const its = rowsOf.get(at + 1) ?? [];
    // The row too many: a push, or a part without any, of what was canceled. Behind that more may come or not; who is slowed
    // stays so until it has certainly none.
    const tooMany = its[most];
    const hasMore = tooMany !== undefined && (tooMany.id !== null || isSlowed.has(credentialId));
    // Who has more than a turn takes sends much, however little of it is in hand; of who is slowed the rest is late by that.
    const isSparse = !hasMore && !isSlowed.has(credentialId);
    const advances = cut(its, most, isSparse ? sparse : 0, taken.deliveries);
    taken.advances.push(...advances);
    taken.counts.set(credentialId, taken.deliveries.length - before);
    if (hasMore) taken.backlogs.add(credentialId);
  }
  return taken;
}

/** Parts come pair by pair. */
function pairsOf(parts: readonly PartRow[]): Pair[] {
  const pairs: Pair[] = [];
  for (const [at, { credential_id, most, sparse }] of parts.entries()) {
    let pair = pairs.at(-1);
    if (pair?.credential_id !== credential_id) {
      pair = { credential_id, most, sparse, first: at + 1, last: at };
      pairs.push(pair);
    }
    pair.last++;
  }
  return pairs;
}

interface PartAdvance {
  operationId: Uuid;
  provider: ProviderKind;
  /** Highest id handed over, null when there was none. */
  through: Uuid | null;
  /** More may lie above. */
  pending: boolean;
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
