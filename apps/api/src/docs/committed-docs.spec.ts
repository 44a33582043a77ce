import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { committedDocs } from './committed-docs.js';

describe('the generated files', () => {
  // After a change: nest build api && node dist/apps/api/src/docs/generate.js
  it('are committed as the code generates them', async () => {
    for (const [path, text] of Object.entries(await committedDocs())) {
      const committed = readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8');
      expect(committed).toBe(text);
    }
  });
});
