import type { Pause, ProviderKind, Uuid } from '@app/domain';
import type { PoolClient } from 'pg';
import type { Statement } from './database.js';

/** Most pushes of one credential that may be handed over and not settled. */
export const MAX_WINDOW = 5_000;

/** Most that one credential may have outstanding now, by its provider. */
export type Shares = Readonly<Record<ProviderKind, number>>;

/** Nobody else has work. */
export const WHOLE: Shares = { FCM: MAX_WINDOW, APN: MAX_WINDOW };

/** Windows `w` with their credentials `c`. */
export const WINDOWS = `(credential_windows w JOIN credentials c ON c.id = w.credential_id)`;

/** The share of one of `WINDOWS`, of the parameters that are those of FCM and of APNs. */
export const shareOf = (fcm: string, apn: string): string =>
  `CASE c.credential_type WHEN 'FCM' THEN ${fcm}::int ELSE ${apn}::int END`;

/** Why everything of a credential shall wait, and who says so. */
export interface PauseOrder extends Pause {
  credentialId: Uuid;
  /** Of the secret that was refused: of an older one it says nothing any more, nor when the credential is deleted. */
  version: number;
  /** The push that heard it. */
  pushId: Uuid;
  /** It was the credential's probe. */
  probing: boolean;
}

const CHANGE: Statement = {
  name: 'change-outstanding',
  text: `
UPDATE credential_windows w SET outstanding = w.outstanding + d.change
FROM unnest($1::uuid[], $2::int[]) AS d (credential_id, change)
WHERE w.credential_id = d.credential_id`,
};

const LOCK: Statement = {
  name: 'lock-windows',
  text: `
SELECT credential_id FROM credential_windows WHERE credential_id = ANY($1::uuid[])
ORDER BY credential_id FOR NO KEY UPDATE`,
};

/** What no probe has cleared counts for an hour: a single push that is refused now and then is no run of pauses. */
const PAUSES_BEFORE = `CASE WHEN w.paused_at > now() - interval '1 hour' THEN w.pauses ELSE 0 END`;

/** The first to say so, or the probe of a pause that is in force. */
const IS_NEWS = `(w.paused_until IS NULL OR w.probe IS NOT DISTINCT FROM p.push_id)`;

/**
 * Begins a pause, or lengthens it by the wish of the provider. What was on the wire together hears the
 * same: only the first, and later a probe, counts, halves the window and doubles the back-off.
 */
const PAUSE = `
UPDATE credential_windows w
SET paused_until = CASE
      WHEN ${IS_NEWS} THEN now() + make_interval(secs =>
        coalesce(p.after_ms, p.least_ms + p.jitter * least(
          p.cap_ms - p.least_ms, p.base_ms * 2 ^ least(${PAUSES_BEFORE}, 20))) / 1000)
      ELSE greatest(w.paused_until, now() + make_interval(secs => p.after_ms / 1000)) END,
    pauses = CASE WHEN ${IS_NEWS}
      THEN ${PAUSES_BEFORE} + 1 ELSE w.pauses END,
    paused_at = CASE WHEN ${IS_NEWS} THEN now() ELSE w.paused_at END,
    "window" = CASE WHEN p.slowed AND ${IS_NEWS}
      THEN greatest(w."window" / 2, 1) ELSE w."window" END,
    window_changed_at = CASE WHEN p.slowed THEN now() ELSE w.window_changed_at END,
    paused_by = CASE WHEN w.paused_until IS NULL THEN p.push_id ELSE w.paused_by END,
    last_probe = CASE WHEN w.paused_until IS NULL THEN NULL WHEN w.probe = p.push_id THEN p.push_id ELSE w.last_probe END,
    probe = nullif(w.probe, p.push_id),
    pause_reason = p.reason
FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::boolean[], $5::float8[], $6::float8[], $7::float8[], $8::float8[],
    $9::text[], $10::float8[])
  AS p (credential_id, push_id, version, slowed, after_ms, base_ms, cap_ms, jitter, reason, least_ms)
JOIN credentials c ON c.id = p.credential_id AND c.version = p.version AND c.deleted_at IS NULL
WHERE w.credential_id = p.credential_id
RETURNING w.credential_id`;

/**
 * Changes the outstanding counts of credentials and pauses some: the last rows that a transaction
 * locks, by id. An UPDATE alone locks in the order of its plan.
 *
 * @returns the credentials that are paused by one of `pauses`; those of an older secret, or deleted, are not.
 */
export async function changeWindows(
  client: PoolClient,
  outstanding: ReadonlyMap<Uuid, number>,
  pauses: readonly PauseOrder[] = [],
): Promise<ReadonlySet<Uuid>> {
  const orders = oneEach(pauses);
  const ids = [...new Set([...outstanding.keys(), ...orders.map((order) => order.credentialId)])];
  if (ids.length === 0) return new Set();
  await client.query({ ...LOCK, values: [ids] });
  if (outstanding.size > 0) {
    await client.query({ ...CHANGE, values: [[...outstanding.keys()], [...outstanding.values()]] });
  }
  if (orders.length === 0) return new Set();
  const { rows } = await client.query<{ credential_id: Uuid }>(PAUSE, [
    orders.map((order) => order.credentialId),
    orders.map((order) => order.pushId),
    orders.map((order) => order.version),
    orders.map((order) => order.kind === 'slowed'),
    orders.map((order) => order.afterMs),
    orders.map((order) => order.backoff.baseMs),
    orders.map((order) => order.backoff.capMs),
    orders.map((order) => order.jitter),
    orders.map((order) => order.reason),
    orders.map((order) => order.backoff.leastMs),
  ]);
  return new Set(rows.map((row) => row.credential_id));
}

/**
 * Of several pushes of a batch one speaks for its credential and secret: the probe, else the one that
 * asks for the longest wait.
 */
function oneEach(pauses: readonly PauseOrder[]): PauseOrder[] {
  const orders = new Map<string, PauseOrder>();
  const weight = (order: PauseOrder) => (order.probing ? Infinity : (order.afterMs ?? 0));
  for (const pause of pauses) {
    const key = `${pause.credentialId} ${pause.version}`;
    const known = orders.get(key);
    if (known === undefined || weight(pause) > weight(known)) orders.set(key, pause);
  }
  return [...orders.values()];
}
