import { Store, type StoreOptions } from '../../libs/persistence/src/testing.js';
import { createTestDatabase, type TestDatabase } from './database.js';

/** A store over a migrated database of one test file's own. */
export interface TestStore extends Store {
  database: TestDatabase;
  /** Closes the store and removes its database. */
  drop(): Promise<void>;
}

export async function createTestStore(options?: StoreOptions): Promise<TestStore> {
  const database = await createTestDatabase();
  const store = new Store(database.appUrl, options);
  return Object.assign(store, {
    database,
    drop: async () => {
      await store.db.close();
      await database.drop();
    },
  });
}
