/** What PostgreSQL really has: `prisma/catalog.txt` is a sorted listing of it, compared by a test. `npm run catalog`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { startPostgres } from './embedded-postgres.js';
import { migrate } from './migrate.js';
import { ROOT } from './setup.js';

export const CATALOG_FILE = join(ROOT, 'prisma/catalog.txt');

/** Daily partitions differ from day to day, not in shape: they are left out, but for their storage options. */
const LISTING = `
WITH relations AS (
  SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'public' AND NOT c.relispartition AND c.relname <> '_prisma_migrations'
)
SELECT format('table %s %s%s', relname, coalesce(array_to_string(reloptions, ','), ''),
    CASE relkind WHEN 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(oid) ELSE '' END) AS line
  FROM relations WHERE relkind IN ('r', 'p')
UNION ALL
SELECT DISTINCT format('partition of %s %s', p.relname, array_to_string(c.reloptions, ','))
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN relations p ON p.oid = i.inhparent WHERE c.relkind = 'r'
UNION ALL
SELECT format('column %s.%s %s%s%s', r.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
    CASE WHEN d.oid IS NULL THEN '' WHEN a.attgenerated <> '' THEN ' GENERATED AS ' || regexp_replace(pg_get_expr(d.adbin, d.adrelid), '\\s+', ' ', 'g')
      ELSE ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END)
  FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum WHERE r.relkind IN ('r', 'p')
UNION ALL
SELECT 'index ' || pg_get_indexdef(oid) FROM relations WHERE relkind IN ('i', 'I')
UNION ALL
SELECT format('constraint %s.%s %s', r.relname, k.conname, pg_get_constraintdef(k.oid))
  FROM relations r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype <> 'n'
UNION ALL
SELECT format('enum %s %s', t.typname, string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder))
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid
  WHERE n.nspname = 'public' GROUP BY t.typname
UNION ALL
SELECT format('function %s(%s) %s md5 %s', p.proname, pg_get_function_arguments(p.oid),
    CASE WHEN p.prosecdef THEN 'SECURITY DEFINER ' || array_to_string(p.proconfig, ',') ELSE '' END, md5(p.prosrc))
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public'
UNION ALL
SELECT format('grant %s to %s: %s', relname, grantee, string_agg(privilege, ',' ORDER BY privilege)) FROM (
  SELECT r.relname, g.grantee::regrole AS grantee, g.privilege_type AS privilege
  FROM relations r, aclexplode(r.relacl) g WHERE g.grantee::regrole::text = 'fanfare_app' AND r.relkind IN ('r', 'p')) x
  GROUP BY relname, grantee
`;

/**
 * @param {import('pg').Client} client of a migrated database
 * @returns {Promise<string>} a line an object, sorted
 */
export async function catalogOf(client) {
  const { rows } = await client.query(LISTING);
  return `${rows
    .map(({ line }) => line.trimEnd())
    .sort()
    .join('\n')}\n`;
}

async function main() {
  const postgres = await startPostgres();
  try {
    await migrate({ migrateUrl: postgres.ownerUrl, appUrl: postgres.appUrl });
    const client = new pg.Client({ connectionString: postgres.ownerUrl });
    await client.connect();
    writeFileSync(CATALOG_FILE, await catalogOf(client));
    await client.end();
  } finally {
    await postgres.stop();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
