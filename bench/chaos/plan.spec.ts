import { describe, expect, it } from '@jest/globals';
import { kindsOn } from './faults.js';
import { APPS, bodyOf, LARGEST, planLoad, tokensOf } from './load.js';
import { planFaults, turns } from './schedule.js';
import type { PlannedRequest } from './types.js';

const OPTIONS = { seed: 5, rate: 200, seconds: 25 };

function requests(count: number, options = OPTIONS): PlannedRequest[] {
  const plan = planLoad(options);
  return Array.from({ length: count }, () => plan.next().value);
}

describe('the load', () => {
  it('is the same for the same seed and another for another', () => {
    expect(requests(30)).toEqual(requests(30));
    expect(requests(30)).not.toEqual(requests(30, { ...OPTIONS, seed: 6 }));
  });

  it('has sizes from 1 to 5,000, the largest however short the run is', () => {
    const sizes = requests(300).map((request) => tokensOf(request).length);
    expect(Math.min(...sizes)).toBe(1);
    expect(Math.max(...sizes.slice(0, 2))).toBe(LARGEST);
    expect(Math.max(...sizes)).toBe(LARGEST);
  });

  it('has the rate that was asked for', () => {
    const all = requests(1_000);
    const pushes = all.reduce((sum, request) => sum + tokensOf(request).length, 0);
    const seconds = all.reduce((sum, { gapMs }) => sum + gapMs, 0) / 1_000;
    expect(pushes / seconds).toBeGreaterThan(OPTIONS.rate * 0.8);
    expect(pushes / seconds).toBeLessThan(OPTIONS.rate * 1.25);
  });

  it('never names a token twice', () => {
    const tokens = requests(200).flatMap(tokensOf);
    expect(new Set(tokens).size).toBe(tokens.length);
  });

  it('schedules some, cancels some, and sends the rest at once', () => {
    const all = requests(500);
    const share = (is: (request: PlannedRequest) => boolean) => all.filter(is).length / all.length;
    expect(share(({ inSeconds }) => inSeconds > 0)).toBeGreaterThan(0.08);
    expect(share(({ cancelAfterMs }) => cancelAfterMs !== undefined)).toBeGreaterThan(0.05);
    expect(share(({ inSeconds }) => inSeconds === 0)).toBeGreaterThan(0.5);
  });

  it('asks for trouble that lingers in every run, for as long as there is time', () => {
    const troubles = (seconds: number) =>
      new Set(
        requests(1_500, { ...OPTIONS, seconds })
          .filter(({ app }) => app === 'lingering')
          .flatMap((request) => [...request.users.flat(), ...request.recipients])
          .map(({ provider, token }) => `${provider} ${token.split('.').slice(1, 3).join('.')}`),
      );
    // By the rules of FCM ten seconds and more, of APNs thirty.
    expect(troubles(14)).toContain('FCM internal.1');
    expect(troubles(14)).not.toContain('APN internal.1');
    for (const trouble of ['APN internal.2', 'FCM internal.2', 'APN unavailable.1'])
      expect(troubles(6_000)).toContain(trouble);
  });

  it('has every kind of customer, users with devices of their own, and some whom nobody knows', () => {
    const all = requests(500);
    expect(new Set(all.map(({ app }) => app))).toEqual(new Set(APPS));
    const toUsers = all.filter(({ users }) => users.length > 0);
    expect(toUsers.length).toBeGreaterThan(20);
    const devices = toUsers.flatMap(({ users }) => users).map(({ length }) => length);
    expect(new Set(devices)).toEqual(new Set([1, 2, 3]));
    expect(all.some(({ strangers }) => strangers > 0)).toBe(true);
    const [request] = toUsers;
    if (request === undefined) throw new Error('no request');
    const ids = request.users.map((_, at) => `comms_user_${at}`);
    expect(bodyOf(request, ids).to).toMatchObject(ids.map((userId) => ({ userId })));
  });

  it('makes a body that the api takes', () => {
    const [request] = requests(1);
    if (request === undefined) throw new Error('no request');
    expect(bodyOf({ ...request, inSeconds: 0, dataOnly: false })).toMatchObject({
      from: { appName: request.app },
      content: { title: 'Hello {{ name }}' },
    });
    const later = bodyOf({ ...request, inSeconds: 3, dataOnly: true });
    expect(Object.keys(later.content)).toEqual(['data']);
    expect(Date.parse(later.schedule?.sendAt ?? '')).toBeGreaterThan(Date.now());
  });
});

describe('the schedule of faults', () => {
  it('is the same for the same seed and another for another', () => {
    const plan = (seed: number) => planFaults({ seed, seconds: 60, kinds: kindsOn('redis') });
    expect(plan(1)).toEqual(plan(1));
    expect(plan(1)).not.toEqual(plan(2));
  });

  it.each(['redis', 'postgres'] as const)('has every kind of %s in 25 seconds', (backend) => {
    for (let seed = 0; seed < 50; seed++) {
      const kinds = kindsOn(backend);
      const plan = planFaults({ seed, seconds: 25, kinds });
      expect(new Set(plan.map(({ kind }) => kind))).toEqual(new Set(kinds));
      expect(plan.every(({ atMs }) => atMs < 25_000)).toBe(true);
    }
  });

  it('is empty without kinds', () => {
    expect(planFaults({ seed: 1, seconds: 25, kinds: [] })).toEqual([]);
  });
});

describe('turns', () => {
  it('never lets two have the same part, and lets others go side by side', async () => {
    const inTurn = turns();
    const order: string[] = [];
    const gates = new Map<string, () => void>();
    const work = (name: string) => () => {
      order.push(`${name} begins`);
      return new Promise<void>((resolve) => gates.set(name, resolve));
    };
    const first = inTurn(['api', 'redis'], work('first'));
    const second = inTurn(['redis'], work('second'));
    const third = inTurn(['postgres'], work('third'));
    await new Promise(setImmediate);
    expect(order).toEqual(['first begins', 'third begins']);
    gates.get('first')?.();
    await first;
    await new Promise(setImmediate);
    expect(order).toEqual(['first begins', 'third begins', 'second begins']);
    gates.get('second')?.();
    gates.get('third')?.();
    await Promise.all([second, third]);
  });

  it('goes on after a fault that could not be done, and says so', async () => {
    const inTurn = turns();
    const failing = inTurn(['api'], () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    await expect(inTurn(['api'], () => Promise.resolve())).resolves.toBeUndefined();
  });
});
