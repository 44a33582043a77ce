import { describe, expect, it } from '@jest/globals';
import { newId, Unavailable, type Uuid } from '@app/domain';
import type { SharedSettings } from '@app/persistence';
import { OperationContents } from './operation-contents.js';

const shared = (title: string): SharedSettings => ({
  content: { title },
  priority: 'HIGH',
  sound: null,
  ttlSeconds: 60,
  collapseKey: null,
  badge: null,
  overrides: null,
  scheduledFor: null,
});

/** A database that answers when it is told to. */
function reads() {
  const asked: Uuid[][] = [];
  const answers: ((settings: (SharedSettings | null)[] | Error) => void)[] = [];
  const contents = new OperationContents({
    settings: (ids) => {
      asked.push([...ids]);
      return new Promise((resolve, reject) => {
        answers.push((answer) => {
          if (answer instanceof Error) reject(answer);
          else resolve(answer);
        });
      });
    },
  });
  return { asked, answers, contents };
}

const title = async (content: ReturnType<OperationContents['get']>) =>
  (await content).template.render({}, new Date(0)).title;

describe('operation contents', () => {
  it('read what starts together in a few statements, whatever the number of operations', async () => {
    const { asked, answers, contents } = reads();
    const ids = Array.from({ length: 50 }, newId);
    const titles = ids.map((id) => title(contents.get(id)));
    const again = contents.get(ids[7]!);
    for (let at = 0; at < 3; at++) {
      while (answers.length <= at) await new Promise(setImmediate);
      answers[at]!(asked[at]!.map((id) => shared(`of ${id}`)));
    }
    expect(await Promise.all(titles)).toEqual(ids.map((id) => `of ${id}`));
    expect(asked.flat()).toEqual(ids);
    expect(asked).toHaveLength(3);
    // Compiled once and kept.
    expect(await contents.get(ids[7]!)).toBe(await again);
    expect(asked).toHaveLength(3);
  });

  it('fail those that were asked for together, and are read again later', async () => {
    const { asked, answers, contents } = reads();
    const id = newId();
    const first = contents.get(id);
    answers[0]!(new Unavailable('away'));
    await expect(first).rejects.toThrow(Unavailable);
    const second = title(contents.get(id));
    answers[1]!([shared('back')]);
    expect(await second).toBe('back');
    expect(asked).toEqual([[id], [id]]);
  });

  it('of an operation that is gone are a fault, of its neighbours not', async () => {
    const { answers, contents } = reads();
    const [gone, there] = [newId(), newId()];
    const missing = contents.get(gone);
    const found = title(contents.get(there));
    answers[0]!([null]);
    answers[1]!([shared('there')]);
    await expect(missing).rejects.toThrow(`Operation ${gone} is gone.`);
    expect(await found).toBe('there');
  });
});
