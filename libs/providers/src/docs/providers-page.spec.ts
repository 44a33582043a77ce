import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { APNS_OUTCOMES } from '../apns/outcomes.js';
import { FCM_OUTCOMES } from '../fcm/outcomes.js';
import { providersPage } from './providers-page.js';

const page = readFileSync(new URL('../../../../docs/providers.md', import.meta.url), 'utf8');

describe('docs/providers.md', () => {
  // After a change of a table: npm run docs:providers
  it('is committed as the tables generate it', () => {
    expect(page).toBe(providersPage());
  });

  it('has a row for each row of both tables', () => {
    const answers = page.split('\n').map((line) => line.split('|')[1]?.trim());
    for (const { answer } of [...FCM_OUTCOMES, ...APNS_OUTCOMES]) expect(answers).toContain(answer);
  });
});
