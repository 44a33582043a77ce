import type pg from 'pg';

/**
 * Fills tables with very many rows. Their indexes and keys are built over the rows afterwards, not row by row, and
 * foreign keys between them are left out: so a million takes seconds.
 *
 * @param owner of the tables.
 */
export async function fillInBulk(
  owner: pg.Client,
  tables: readonly string[],
  insert: () => Promise<unknown>,
): Promise<void> {
  await owner.query('SET synchronous_commit = off');
  const { rows } = await owner.query<{ undo: string; redo: string | null }>(
    `SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS undo,
       CASE contype WHEN 'f' THEN NULL
         ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) END AS redo
     FROM pg_constraint WHERE conrelid = ANY($1::text[]::regclass[]) AND contype IN ('p', 'u', 'f')
     UNION ALL
     SELECT format('DROP INDEX %s', indexrelid::regclass), replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
     FROM pg_index WHERE indrelid = ANY($1::text[]::regclass[])
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
     ORDER BY undo`,
    [tables],
  );
  // A foreign key needs the key that it points to.
  for (const { undo } of [...rows].sort(
    (a, b) => Number(b.redo === null) - Number(a.redo === null),
  ))
    await owner.query(undo);
  // Nothing here outlives a crash.
  const plain = await owner.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE oid = ANY($1::text[]::regclass[]) AND relkind = 'r'`,
    [tables],
  );
  for (const { name } of plain.rows) await owner.query(`ALTER TABLE ${name} SET UNLOGGED`);
  await insert();
  for (const { redo } of rows) if (redo !== null) await owner.query(redo);
  await owner.query(`ANALYZE ${tables.join(', ')}`);
}
