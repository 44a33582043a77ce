import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ErrorBody, Preflight } from '@app/contract';
import { startGateway, storeCredential } from './gateway.js';
import type { Client, Gateway } from './gateway.js';

let gateway: Gateway;
let client: Client;

beforeAll(async () => {
  gateway = await startGateway();
  client = gateway.client;
  await storeCredential(client, 'FCM');
});

afterAll(() => gateway?.stop());

async function preflight(body: object): Promise<Preflight> {
  const answer = await client.post('Preflight', { content: { body: 'B' }, ...body });
  expect(answer.status).toBe(200);
  return Preflight.parse(answer.body);
}

const fcm = (variables?: object) => ({
  token: 't',
  provider: 'FCM',
  ...(variables && { variables }),
});

describe('POST /v1/PushNotifications/Preflight', () => {
  it('answers what each recipient would get and how large it is, and stores nothing', async () => {
    const result = await preflight({
      to: [fcm({ name: 'Ann' }), fcm()],
      content: {
        title: 'Hi {{ name | default: "there" }}',
        body: 'B',
        data: { k: '{{ name }}' },
        imageUrl: 'https://example.com/a.png',
      },
      tags: { who: '{{ name | default: "nobody" }}' },
      schedule: { sendAt: new Date(Date.now() + 60_000).toISOString() },
    });
    expect(result).toMatchObject({ checked: 2, errors: [] });
    expect(result.recipients[0]).toMatchObject({
      to: fcm({ name: 'Ann' }),
      content: {
        title: 'Hi Ann',
        body: 'B',
        data: { k: 'Ann' },
        imageUrl: 'https://example.com/a.png',
      },
      tags: { who: 'Ann' },
      // Keys and values of notification (title, body, image) and data.
      bytes: { fcm: 'titleHi AnnbodyBimagehttps://example.com/a.pngkAnn'.length },
      errors: [],
    });
    expect(result.recipients[1]).toMatchObject({ content: { title: 'Hi there', data: { k: '' } } });
    expect(result.recipients[0]!.bytes!.apn).toBeGreaterThan(60);
    expect((await client.get('Operations')).body.operations).toEqual([]);
  });

  it('names every rule broken: of the send, and of each recipient', async () => {
    const result = await preflight({
      to: [
        fcm({ v: 'ok' }),
        fcm({ v: 'x'.repeat(4_090) }),
        fcm({ v: 'x'.repeat(5_000) }),
        { token: 't', provider: 'APN', variables: { v: 'ok' } },
        { userId: 'comms_pushnotificationuser_01h2xcejqtf2nbrexx3vqjhp41', variables: { v: 'ok' } },
        fcm(),
      ],
      content: { title: 'Title', body: '{{ v }}' },
      tags: { v: '{{ v | slice: 0, 4 }}' },
      schedule: { sendAt: '2020-01-01T00:00:00Z' },
      overrides: { fcm: { token: 'x' }, apn: { headers: { authorization: 'x' } } },
    });
    expect(result.errors.map(({ context }) => context)).toEqual([
      '$.schedule.sendAt',
      '$.overrides.fcm.token',
      '$.overrides.apn.headers.authorization',
      '$.from',
    ]);
    expect(result.recipients.map(({ errors }) => errors.map(({ code }) => code))).toEqual([
      [],
      [71004],
      [71005],
      [],
      [71012],
      [70002],
    ]);
    expect(result.recipients[2]!.content).toBeUndefined();
    expect(result.recipients[5]!.errors[0]!.context).toBe('$.to[5]');
  });

  it('looks at no recipient while a template does not parse', async () => {
    expect(await preflight({ to: [fcm()], content: { body: '{{' } })).toMatchObject({
      checked: 0,
      recipients: [],
      errors: [{ code: 70002, context: '$.content.body' }],
    });
  });

  it('refuses a body of the wrong shape as the send does', async () => {
    const body = { to: [{ token: 't' }], content: {}, nope: 1 };
    const [checked, sent] = [
      await client.post('Preflight', body),
      await client.post('/v1/PushNotifications', body),
    ];
    expect([checked.status, sent.status]).toEqual([400, 400]);
    expect(ErrorBody.parse(checked.body)).toEqual(sent.body);
  });

  it('bounds its answer: what was not looked at is said by checked', async () => {
    const to = Array.from({ length: 10_000 }, () => fcm({ v: 'x'.repeat(500) }));
    const result = await preflight({ to, content: { title: '{{ v }}', body: '{{ v }}{{ v }}' } });
    expect(result.checked).toBe(result.recipients.length);
    expect(result.checked).toBeGreaterThan(1_000);
    expect(result.checked).toBeLessThan(10_000);
  });
});
