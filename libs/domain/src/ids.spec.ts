import { describe, expect, it, jest } from '@jest/globals';
import {
  ID_PREFIX,
  formatAccountId,
  formatId,
  instantOfId,
  lowestIdAt,
  newId,
  parseAccountId,
  parseId,
} from './ids.js';
import type { IdKind } from './ids.js';

const UUID = '01890a5d-ac96-774b-bcce-b302099a8057';
const SUFFIX = '01h455vb4pex5vsknk084sn02q';

/** What clients may rely on; contract.md section 1. */
const PUBLIC_PATTERNS: Record<IdKind, RegExp> = {
  operation: /^comms_operation_[0-7][a-hjkmnpqrstv-z0-9]{25,34}/,
  pushNotification: /^comms_pushnotification_[0-7][a-hjkmnpqrstv-z0-9]{25,34}/,
  user: /^comms_pushnotificationuser_[0-7][a-hjkmnpqrstv-z0-9]{25,34}/,
  credential: /^comms_credential_[a-hjkmnpqrstv-z0-9]{26,34}/,
  deviceRegistration: /^comms_device_registration_[a-hjkmnpqrstv-z0-9]{26,34}$/,
};

describe('ids', () => {
  const kinds = Object.keys(ID_PREFIX) as IdKind[];

  it('are written as the public contract has them, and come back', () => {
    // The pair is one of the TypeID specification's own vectors.
    expect(formatId('operation', UUID)).toBe(`comms_operation_${SUFFIX}`);
    for (const kind of kinds) {
      const id = newId();
      expect(formatId(kind, id)).toMatch(PUBLIC_PATTERNS[kind]);
      expect(parseId(kind, formatId(kind, id))).toBe(id);
    }
  });

  it.each([
    ['another kind', `comms_credential_${SUFFIX}`],
    ['no prefix', SUFFIX],
    ['upper case', `comms_operation_${SUFFIX.toUpperCase()}`],
    ['too short', `comms_operation_${SUFFIX.slice(1)}`],
    ['too long', `comms_operation_${SUFFIX}0`],
    ['an ambiguous letter', `comms_operation_${SUFFIX.replace('q', 'l')}`],
    ['more than 128 bits', `comms_operation_8${SUFFIX.slice(1)}`],
    ['a character beyond ASCII', `comms_operation_${SUFFIX.slice(1)}é`],
    ['a NUL', `comms_operation_${SUFFIX.slice(1)}\0`],
    ['nothing', ''],
  ])('do not decode from %s', (_, text) => {
    expect(parseId('operation', text)).toBeNull();
  });

  it('sort by time, also inside a millisecond', () => {
    const ids = Array.from({ length: 5_000 }, newId);
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('sort by their making also while the clock is set back', () => {
    const before = newId();
    const now = Date.now();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(now - 60_000);
    try {
      const after = [newId(), newId()];
      expect([before, ...after].toSorted()).toEqual([before, ...after]);
    } finally {
      clock.mockRestore();
    }
  });

  it('have random ends, which no two share', () => {
    const ends = Array.from({ length: 5_000 }, () => newId().slice(-12));
    expect(new Set(ends).size).toBe(ends.length);
  });

  it('carry their instant, and an instant has a lowest id', () => {
    const instant = new Date('2026-04-20T14:22:00.123Z');
    const lowest = lowestIdAt(instant);
    expect(lowest).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-0000-0000-000000000000$/);
    expect(instantOfId(lowest)).toEqual(instant);
    expect(lowestIdAt(new Date(instant.getTime() + 1)) > lowest).toBe(true);
    const before = Date.now();
    const made = instantOfId(newId()).getTime();
    expect(made).toBeGreaterThanOrEqual(before);
    expect(lowestIdAt(new Date(made)) <= newId()).toBe(true);
    expect(lowestIdAt(new Date(-1))).toBe(lowestIdAt(new Date(0)));
  });
});

describe('account ids', () => {
  it('are AC and 32 hex digits', () => {
    expect(formatAccountId(UUID)).toBe('AC01890a5dac96774bbcceb302099a8057');
    expect(parseAccountId(formatAccountId(UUID))).toBe(UUID);
    expect(parseAccountId('AC01890A5DAC96774BBCCEB302099A8057')).toBe(UUID);
  });

  it.each(['', 'AC', 'AC123', `ac${'0'.repeat(32)}`, `SK${'0'.repeat(32)}`, `AC${'g'.repeat(32)}`])(
    'are not %j',
    (text) => {
      expect(parseAccountId(text)).toBeNull();
    },
  );
});
