import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from './database.js';

describe('a test database', () => {
  const databases: TestDatabase[] = [];

  beforeAll(async () => {
    databases.push(...(await Promise.all([createTestDatabase(), createTestDatabase()])));
  }, 60_000);

  afterAll(async () => {
    await Promise.all(databases.map((database) => database.drop()));
  });

  async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  function pick(index: number): TestDatabase {
    const database = databases[index];
    if (database === undefined) throw new Error('not made');
    return database;
  }

  it('is migrated, ours and the queue', async () => {
    const tables = await query(
      pick(0).appUrl,
      `SELECT schemaname FROM pg_tables WHERE schemaname IN ('public', 'bullmq')
       GROUP BY 1 HAVING count(*) > 1 ORDER BY 1`,
    );
    expect(tables).toEqual([{ schemaname: 'bullmq' }, { schemaname: 'public' }]);
  });

  it('is apart from the others', async () => {
    await query(pick(0).ownerUrl, 'CREATE TABLE apart (id int)');
    const seen = await query(pick(1).ownerUrl, `SELECT to_regclass('apart') AS apart`);
    expect(seen).toEqual([{ apart: null }]);
  });

  it('gives the app role rows and nothing more', async () => {
    await expect(query(pick(0).appUrl, 'CREATE TABLE mine (id int)')).rejects.toThrow(
      'permission denied for schema public',
    );
    await query(pick(0).ownerUrl, 'CREATE TABLE later (id int)');
    expect(await query(pick(0).appUrl, 'INSERT INTO later VALUES (7) RETURNING id')).toEqual([
      { id: 7 },
    ]);
    await expect(query(pick(0).appUrl, 'DROP TABLE later')).rejects.toThrow('must be owner');
  });
});
