import { Database } from '@app/persistence';
import { Metrics, createLogger } from '@app/platform';
import { createApp } from '../create-app.js';
import { Leaving } from '../http/leaving.js';
import { QueueAccess } from '../http/queue-access.js';
import { RateLimits } from '../rate-limits/rate-limits.js';
import { errorsPage } from './errors-page.js';
import { limitsPage } from './limits-page.js';
import { openApiOf } from './openapi.js';

/** The generated files of the repository that come from the api: path from its root → text. */
export async function committedDocs(): Promise<Record<string, string>> {
  // Nothing connects before it is asked to, so no database is needed.
  const database = new Database({
    url: 'postgres://localhost:1/none',
    poolSize: 1,
    applicationName: 'docs',
  });
  const uncounted = { consume: () => Promise.resolve(0) };
  const app = await createApp({
    database,
    encryptionKeys: [{ id: 'docs', key: Buffer.alloc(32) }],
    credentialWindow: 1,
    queue: new QueueAccess(() => Promise.reject(new Error('No queue.'))),
    checkTimeoutMs: 1,
    rateLimits: new RateLimits(
      { requests: 1, recipients: 1 },
      { requests: uncounted, recipients: uncounted },
    ),
    publicUrl: undefined,
    leaving: new Leaving(),
    logger: createLogger({ level: 'silent' }),
    metrics: new Metrics('api', { defaults: false }),
  });
  try {
    return {
      'openapi.json': `${JSON.stringify(openApiOf(app), null, 2)}\n`,
      'docs/errors.md': errorsPage(),
      'docs/limits.md': limitsPage(),
    };
  } finally {
    await app.close();
    await database.close();
  }
}
