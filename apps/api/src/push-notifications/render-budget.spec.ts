import { describe, expect, it } from '@jest/globals';
import { RenderBudget } from './render-budget.js';
import { renderTags } from './render-tags.js';

/** A clock that moves on by `stepMs` with each look. */
const ticking = (stepMs: number) => {
  let ms = 0;
  return () => (ms += stepMs);
};

describe('RenderBudget', () => {
  it('is exhausted by what its work took', async () => {
    const budget = new RenderBudget(30, ticking(10));
    await budget.spend(() => undefined);
    await budget.spend(() => undefined);
    expect(budget.exhausted).toBe(false);
    await budget.spend(() => undefined);
    expect(budget.exhausted).toBe(true);
  });

  it('counts work that throws', async () => {
    const budget = new RenderBudget(10, ticking(10));
    await expect(
      budget.spend(() => {
        throw new Error('x');
      }),
    ).rejects.toThrow('x');
    expect(budget.exhausted).toBe(true);
  });

  it('lets others have the process between slices', async () => {
    let others = 0;
    const timer = setInterval(() => others++, 0);
    const budget = new RenderBudget(Infinity, ticking(16));
    for (let n = 0; n < 50 || others === 0; n++) await budget.spend(() => undefined);
    clearInterval(timer);
    expect(others).toBeGreaterThan(0);
  });
});

describe('renderTags', () => {
  const recipient = (v: string) => ({ token: 't', provider: 'FCM' as const, variables: { v } });
  const now = new Date('2026-04-20T14:22:00Z');

  it('stops when it takes too long, and says so', async () => {
    const to = Array.from({ length: 10 }, () => recipient('x'));
    const result = await renderTags({ k: '{{ v }}' }, to, now, new RenderBudget(30, ticking(10)));
    expect(result).toEqual({ each: Array(3).fill({ k: 'x' }), faults: [], isCut: true });
  });

  it('gives each recipient its own, past gaps and those that do not render', async () => {
    const to = [undefined, recipient('a'), recipient(' '), undefined, recipient('b')];
    const result = await renderTags({ k: '{{ v }}' }, to, now, new RenderBudget(60_000));
    expect(result).toEqual({
      each: [undefined, { k: 'a' }, undefined, undefined, { k: 'b' }],
      faults: [{ message: expect.any(String), context: '$.to[2]' }],
      isCut: false,
    });
  });

  it('stops at a hundred faults', async () => {
    let looks = 0;
    const to = Array.from({ length: 10_000 }, () => ({
      ...recipient('not this'),
      get variables() {
        looks++;
        return { v: 'not this' };
      },
    }));
    const result = await renderTags({ k: '{{ v }}' }, to, now, new RenderBudget(60_000));
    expect(result.faults).toHaveLength(100);
    expect(looks).toBe(100);
  });

  it('renders with the frozen instant and says why a template fails', async () => {
    const budget = () => new RenderBudget(60_000);
    const day = { day: "{{ 'now' | date: '%Y-%m-%d' }}" };
    expect(await renderTags(day, [recipient('')], now, budget())).toMatchObject({
      each: [{ day: '2026-04-20' }],
    });
    const endless = { k: '{% for a in (1..100000) %}{{ a }}{% endfor %}' };
    const result = await renderTags(endless, [recipient('')], now, budget());
    expect(result).toMatchObject({ faults: [{ context: '$.to[0]' }] });
  });
});
