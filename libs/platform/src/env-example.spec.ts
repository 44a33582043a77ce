import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { environment } from './config-schema.js';
import { loadConfig } from './config.js';
import { envExample } from './env-example.js';

describe('.env.example', () => {
  it('is committed as the schema generates it', () => {
    // After a change: nest build api && node dist/libs/platform/src/env-example.js > .env.example
    const committed = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8');
    expect(committed).toBe(envExample());
  });

  it('names every variable once', () => {
    const names = [...envExample().matchAll(/^#([A-Z_]+)=/gm)].map(([, name]) => name);
    expect(names).toEqual(Object.keys(environment.shape));
  });

  it('shows defaults that are in force', () => {
    const required = {
      DATABASE_URL: 'postgres://localhost/fanfare',
      ENCRYPTION_KEYS: `k:${Buffer.alloc(32).toString('base64')}`,
    };
    const shown = Object.fromEntries(
      [...envExample().matchAll(/^#([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
    );
    expect(loadConfig({ ...shown, ...required })).toEqual(loadConfig(required));
  });
});
