/**
 * When a push `p` was first handed over. Its first settlement keeps it; until then its part tells, while
 * the push is QUEUED and the cursor has passed it. Who ends such a push without a settlement keeps it too.
 */
export const DISPATCHED_AT = `coalesce(p.dispatched_at, CASE WHEN p.status = 'QUEUED' THEN (
  SELECT q.dispatched_at FROM operation_parts q
  WHERE q.operation_id = p.operation_id AND q.provider = p.provider AND p.id <= q.dispatched_through) END)`;
