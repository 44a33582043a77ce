import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { catalogOf } from '../../../scripts/catalog.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { Database } from './database.js';
import { ModelName } from './generated/internal/prismaNamespace.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database?.drop());

describe('the migrated database', () => {
  it('is what prisma/catalog.txt says (npm run catalog writes it anew)', async () => {
    const client = new pg.Client({ connectionString: database.ownerUrl });
    await client.connect();
    const found = await catalogOf(client);
    await client.end();
    const committed = readFileSync(
      join(import.meta.dirname, '../../../prisma/catalog.txt'),
      'utf8',
    );
    expect(found.split('\n')).toEqual(committed.split('\n'));
  });

  it('has every column that schema.prisma names', async () => {
    const db = new Database({ url: database.appUrl, poolSize: 1, applicationName: 'test' });
    const models = Object.keys(ModelName);
    expect(models.length).toBeGreaterThan(8);
    for (const model of models) {
      const name = model.charAt(0).toLowerCase() + model.slice(1);
      const { [name]: delegate } = db.prisma as unknown as Record<
        string,
        { findFirst(): Promise<unknown> }
      >;
      expect(await delegate?.findFirst()).toBeNull();
    }
    await db.close();
  });
});
