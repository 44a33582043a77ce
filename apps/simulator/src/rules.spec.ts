import { describe, expect, it } from '@jest/globals';
import { behaviours, parseToken, retryAfterOf, type Rule } from './rules.js';

describe('a device token', () => {
  it.each(['', 'abc', 'sim', 'sim.', 'sim.ok', 'sim.ok.1.x2', 'sim.nonsense.1', 'Sim.timeout.1'])(
    '%j is ok',
    (token) => {
      expect(parseToken(token)).toEqual({ behaviour: 'ok', times: Infinity });
    },
  );

  it.each<[string, Rule]>([
    ['sim.unregistered.17', { behaviour: 'unregistered', times: Infinity }],
    ['sim.unregistered.17.x', { behaviour: 'unregistered', times: Infinity }],
    ['sim.badtoken', { behaviour: 'badtoken', times: Infinity }],
    ['sim.unavailable', { behaviour: 'unavailable', times: 1 }],
    ['sim.unavailable.3', { behaviour: 'unavailable', times: 3 }],
    ['sim.unavailable.3.7', { behaviour: 'unavailable', times: 3 }],
    ['sim.unavailable.user-3', { behaviour: 'unavailable', times: 1 }],
    ['sim.unavailable.2.r30.user', { behaviour: 'unavailable', times: 2, retryAfter: 30 }],
    [
      'sim.throttle.1.2.d30.user',
      { behaviour: 'throttle', times: 2, retryAfter: 30, retryAfterAsDate: true },
    ],
    ['sim.throttle.1.2.device', { behaviour: 'throttle', times: 2, retryAfter: 1 }],
    ['sim.internal.0.a', { behaviour: 'internal', times: 0 }],
    ['sim.throttle.5.2.a', { behaviour: 'throttle', times: 2, retryAfter: 5 }],
    ['sim.throttle.a', { behaviour: 'throttle', times: 1, retryAfter: 1 }],
    ['sim.slow.250.a', { behaviour: 'slow', times: Infinity, delayMs: 250 }],
    ['sim.slow', { behaviour: 'slow', times: Infinity, delayMs: 1_000 }],
    ['sim.slow.250.x1.a', { behaviour: 'slow', times: 1, delayMs: 250 }],
    ['sim.stale.60.a', { behaviour: 'stale', times: Infinity, ageSeconds: 60 }],
    ['sim.reset.a', { behaviour: 'reset', times: Infinity, resetCode: 'cancel' }],
    ['sim.reset.internal.x2.a', { behaviour: 'reset', times: 2, resetCode: 'internal' }],
    ['sim.refuse.17', { behaviour: 'refuse', times: 1 }],
    ['sim.goaway.x3', { behaviour: 'goaway', times: 3 }],
    ['sim.quota.xylophone', { behaviour: 'quota', times: 1 }],
    ['sim.timeout.x1.a', { behaviour: 'timeout', times: 1 }],
    [
      'sim.answer.418.Teapot.x1.r2.a',
      { behaviour: 'answer', times: 1, status: 418, reason: 'Teapot', retryAfter: 2 },
    ],
    ['sim.answer', { behaviour: 'answer', times: Infinity, status: 500, reason: 'Unknown' }],
    // Not something a server may say as its last word.
    [
      'sim.answer.100.Continue',
      { behaviour: 'answer', times: Infinity, status: 200, reason: 'Continue' },
    ],
    // An id of many digits is not a number of ours.
    ['sim.unavailable.1234567890', { behaviour: 'unavailable', times: 1 }],
  ])('%s is read as %j', (token, rule) => {
    expect(parseToken(token)).toEqual(rule);
  });

  it.each([
    ['sim.unavailable', {}],
    ['sim.unavailable.r7', { 'retry-after': '7' }],
    ['sim.unavailable.d7', { 'retry-after': 'Mon, 20 Apr 2026 14:22:08 GMT' }],
  ])('%s asks for patience by %j', (token, headers) => {
    expect(retryAfterOf(parseToken(token), Date.parse('2026-04-20T14:22:00.250Z'))).toEqual(
      headers,
    );
  });

  it('can ask for every behaviour', () => {
    expect(behaviours.map((name) => parseToken(`sim.${name}.a`).behaviour)).toEqual(behaviours);
  });
});
