import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ErrorBody } from '@app/contract';
import { clientOf, startGateway, storeCredential } from './gateway.js';
import type { Answer, Client, Gateway } from './gateway.js';

const env = { RATE_LIMIT_REQUESTS: '20', RATE_LIMIT_RECIPIENTS: '10000' };

describe.each([
  ['counted in PostgreSQL', env],
  ['with a Redis that is away', { ...env, REDIS_URL: 'redis://127.0.0.1:1' }],
])('rate limits, %s', (_, variables) => {
  let gateway: Gateway;
  let client: Client;

  beforeAll(async () => {
    gateway = await startGateway({ env: variables });
    client = gateway.client;
    await storeCredential(client, 'FCM');
  });
  afterAll(() => gateway?.stop());

  function expectTooMany({ status, body, headers }: Answer): void {
    expect([status, body.code]).toEqual([429, 20429]);
    ErrorBody.parse(body);
    expect(Number(headers.get('retry-after'))).toBe(1);
  }

  /** Until the second is over. */
  async function untilAllowed(work: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      const answer = await work();
      if (answer.status !== 429) return answer;
    }
  }

  it('refuse requests beyond those of a second, of that key alone', async () => {
    const created = await untilAllowed(() =>
      client.post('/v1/ApiKeys', { name: 'k', scopes: ['read'] }),
    );
    const key = clientOf(gateway.origin, created.body.id, created.body.secret);
    const answers = await Promise.all(Array.from({ length: 200 }, () => key.get('Operations')));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(1);
    refused.forEach(expectTooMany);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(20);
    expect((await untilAllowed(() => client.get('Operations'))).status).toBe(200);
    expect((await untilAllowed(() => key.get('Operations'))).status).toBe(200);
  });

  it('refuse recipients beyond those of a second; a send that is refused costs none', async () => {
    const send = (recipients: number, body: string) =>
      client.post('/v1/PushNotifications', {
        to: Array.from({ length: recipients }, (_, n) => ({ token: `t${n}`, provider: 'FCM' })),
        content: { body },
      });
    const stored = async () =>
      (await untilAllowed(() => client.get('Operations'))).body.operations.length;
    const before = await stored();
    expect((await untilAllowed(() => send(10_000, '{{'))).status).toBe(400);
    const answers: Answer[] = [];
    const refused = () => answers.filter(({ status }) => status === 429);
    // On a busy machine the second may end between two of them.
    while (refused().length === 0) {
      answers.push(...(await Promise.all([1, 2, 3].map(() => send(6_000, 'B')))));
    }
    refused().forEach(expectTooMany);
    expect((await stored()) - before).toBe(answers.length - refused().length);
    expect((await untilAllowed(() => send(10_000, 'B'))).status).toBe(202);
  });

  it('count the recipients of a preflight too: it renders them all', async () => {
    const preflight = (recipients: number) =>
      client.post('Preflight', {
        to: Array.from({ length: recipients }, () => ({ token: 't', provider: 'FCM' })),
        content: { body: 'B' },
      });
    const tooMany = 'More than 10000 recipients a second.';
    const answers: Answer[] = [];
    const refused = () => answers.filter(({ body }) => body.message === tooMany);
    // On a busy machine the second may end between two of them.
    for (let round = 0; round < 20 && refused().length === 0; round++) {
      answers.push(...(await Promise.all([1, 2, 3].map(() => preflight(6_000)))));
    }
    expect(refused().length).toBeGreaterThan(0);
    refused().forEach(expectTooMany);
    expect((await untilAllowed(() => preflight(1))).status).toBe(200);
  });
});
