import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { defaultRetryPolicy, settle } from '@app/domain';
import { APNS_OUTCOMES } from '../apns/outcomes.js';
import { FCM_OUTCOMES } from '../fcm/outcomes.js';
import { judge } from '../outcome-table.js';
import type { Verdict } from '../outcome-table.js';
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

  const rows = [...FCM_OUTCOMES, ...APNS_OUTCOMES].map(({ answer, verdict }): [string, Verdict] => [
    answer,
    verdict,
  ]);

  it.each(rows)('says of “%s” what settle makes of it', (answer, verdict) => {
    const line = page.split('\n').find((text) => text.split('|')[1]?.trim() === answer) ?? '';
    const [, , deed = '', wait = '', beside = ''] = line.split('|').map((cell) => cell.trim());
    const facts = { status: 400, json: true, reason: 'r', message: 'm', retryAfterMs: undefined };
    const { outcome } = judge(verdict, facts, () => ({ kind: 'accepted', providerMessageId: 'x' }));
    const settlement = settle(FRESH, outcome, defaultRetryPolicy, NOW, () => 1);
    // With a new token it is sent again by the adapter; what the page says of the second time counts.
    const last = deed.split('; ').at(-1) ?? '';
    expect(last.startsWith('SENT')).toBe(settlement.to === 'SENT');
    expect(last.startsWith('FAILED')).toBe(settlement.to === 'FAILED');
    expect(last.includes('no attempt counted')).toBe(!settlement.counted);
    expect(beside.startsWith('the whole credential waits')).toBe(
      settlement.pause !== null || (outcome.kind === 'credential' && outcome.suspect === true),
    );
    expect(beside.includes('once three different pushes')).toBe(
      outcome.kind === 'credential' && settlement.pause === null,
    );
    expect(beside.includes('retired')).toBe(settlement.retire !== null);
    if (settlement.to === 'QUEUED' && settlement.pause === null && !settlement.unknown) {
      expect(wait === '' || wait === 'none').toBe(settlement.dueInMs === 0);
    }
  });
});

const NOW = new Date('2026-04-21T14:22:00Z');
/** A push at its first attempt, with a day to live. */
const FRESH = {
  attemptCount: 0,
  unknownCount: 0,
  wasBlamed: false,
  firstAttemptAt: null,
  expiresAt: new Date(NOW.getTime() + 86_400_000),
  immediate: false,
};
