import pg from 'pg';

/**
 * Runs `work` while nobody can insert a push, so that a send stays in the middle of its statement.
 *
 * @param ownerUrl role that owns the tables.
 * @param work calls `unlock`, which waits until a send is stuck, runs `whileStuck`, then frees it.
 */
export async function withPushesLocked(
  ownerUrl: string,
  work: (unlock: (whileStuck: () => Promise<void>) => Promise<void>) => Promise<void>,
): Promise<void> {
  const blocker = new pg.Client({ connectionString: ownerUrl });
  await blocker.connect();
  try {
    await blocker.query('BEGIN');
    await blocker.query('LOCK TABLE push_notifications IN ACCESS EXCLUSIVE MODE');
    await work(async (whileStuck) => {
      await untilSomebodyWaits(blocker);
      await whileStuck();
      await blocker.query('COMMIT');
    });
  } finally {
    await blocker.end();
  }
}

async function untilSomebodyWaits(client: pg.Client): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query(
      `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'push_notifications'::regclass`,
    );
    if (rowCount !== 0) return;
  }
}
