import { describe, expect, it } from '@jest/globals';
import { Slots } from './slots.js';

/** Takes that wait, by name, in the order in which they got a slot. */
function make(count: number) {
  const slots = new Slots(count);
  const got: string[] = [];
  const take = (name: string, goesFirst?: boolean) =>
    void slots.take(goesFirst).then(() => got.push(name));
  const release = async () => {
    slots.release();
    await new Promise(setImmediate);
    return [...got];
  };
  return { take, release, got };
}

describe('Slots', () => {
  it('lets so many run, and then whoever waits longest', async () => {
    const { take, release, got } = make(2);
    for (const name of ['a', 'b', 'c', 'd']) take(name);
    await new Promise(setImmediate);
    expect(got).toEqual(['a', 'b']);
    expect(await release()).toEqual(['a', 'b', 'c']);
    expect(await release()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('lets those that go first pass the others, and not each other', async () => {
    const { take, release } = make(1);
    for (const name of ['a', 'b']) take(name);
    for (const name of ['first', 'second']) take(name, true);
    for (let n = 0; n < 2; n++) await release();
    expect(await release()).toEqual(['a', 'first', 'second', 'b']);
  });

  it('has a slot free again for each that is given back while nobody waits', async () => {
    const { take, release, got } = make(1);
    take('a');
    await release();
    take('b');
    await new Promise(setImmediate);
    expect(got).toEqual(['a', 'b']);
  });
});
