import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Json } from '../../scripts/types.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';

/** Promises 2, 3 and 4, and each way that a push can end, through all processes. */

let run: TestGateway;
beforeAll(async () => {
  run = await startTestGateway();
  await run.storeCredentials();
});
afterAll(() => run?.close());

const pushesOf = async (operationId: string) =>
  (await run.client.get(`/v1/PushNotifications?operationId=${operationId}&pageSize=1000`))
    .pushNotifications;

const ledger = async (token: string) =>
  (await run.control('GET', `/ledger?token=${encodeURIComponent(token)}`)).entries;

/** What arrived, as the phone would get it. */
const bodyOf = ({ request }: Json): Json => JSON.parse(request.body);

describe('a push', () => {
  it('is rendered for its recipient and shown so by the api', async () => {
    const operationId = await run.send(['sim.ok.a', 'sim.ok.b'], {
      content: {
        title: 'Hi {{name | upcase}}',
        body: "Dear {{title | default: 'friend'}} {{name}}",
        data: { who: '{{name}}' },
      },
    });
    expect((await run.settled(operationId)).stats).toMatchObject({ sent: 2 });
    const pushes = await pushesOf(operationId);
    const fcm = pushes.find((push: { to: { provider: string } }) => push.to.provider === 'FCM');
    expect(await run.client.get(`/v1/PushNotifications/${fcm.id}`)).toMatchObject({
      status: 'SENT',
      attempts: 1,
      content: { title: 'Hi ADA 0', body: 'Dear friend Ada 0', data: { who: 'Ada 0' } },
    });
    const [toFcm] = await ledger('sim.ok.a');
    const [toApns] = await ledger('sim.ok.b');
    expect(JSON.stringify(toFcm.request)).toContain('Dear friend Ada 0');
    expect(JSON.stringify(toApns.request)).toContain('Dear friend Ada 1');
  });

  // What a credential may be sent with is said before the 202; all of it arrives.
  it.each([
    ['voip', '.voip', { aps: {} }],
    ['complication', '.complication', { aps: {} }],
    [
      'liveactivity',
      '.push-type.liveactivity',
      { aps: { event: 'update', timestamp: 1, 'content-state': {} } },
    ],
  ])('of the type %s goes to the topic %s of its own bundle id', async (type, suffix, payload) => {
    const { topic } = (await run.control('GET', '/credentials')).apnToken;
    const token = `sim.ok.${type}`;
    const to = [{ token, provider: 'APN' }];
    const send = (bundleId: string) => {
      const headers = { 'apns-push-type': type, 'apns-topic': bundleId + suffix };
      return run.client.call('POST', '/v1/PushNotifications', {
        to,
        content: { data: { call: '1' } },
        overrides: { apn: { headers, payload } },
      });
    };
    const foreign = await send('com.example.other');
    expect([foreign.status, foreign.body.errors.map(({ context }: Json) => context)]).toEqual([
      400,
      ["$.overrides.apn.headers['apns-topic']"],
    ]);
    const { operationId } = (await send(topic)).body;
    expect((await run.settled(operationId)).stats).toMatchObject({ sent: 1 });
    const [arrived, ...more] = await ledger(token);
    expect(arrived.request.headers['apns-topic']).toBe(topic + suffix);
    expect(more).toEqual([]);
  });

  it.each([
    ['unregistered', 71001],
    ['badtoken', 71002],
    ['mismatch', 71002],
  ])('fails for good when the provider says %s', async (behaviour, code) => {
    const operationId = await run.send([`sim.${behaviour}.x`, `sim.${behaviour}.y`]);
    const operation = await run.settled(operationId);
    expect(operation).toMatchObject({ status: 'COMPLETED', stats: { failed: 2, sent: 0 } });
    for (const push of await pushesOf(operationId)) {
      expect(push).toMatchObject({ status: 'FAILED', attempts: 1, error: { code } });
      expect((await ledger(push.to.token)).length).toBe(1);
    }
  });

  it('is tried again when the provider asks for it, under the same id', async () => {
    const operationId = await run.send(['sim.throttle.1.2.f', 'sim.throttle.1.2.a']);
    expect((await run.settled(operationId, 60_000)).stats).toMatchObject({ sent: 2 });
    for (const push of await pushesOf(operationId)) {
      expect(push.attempts).toBe(3);
      const entries = await ledger(push.to.token);
      expect(entries).toHaveLength(3);
      expect(new Set(entries.map(({ id }: { id: string }) => id)).size).toBe(1);
      const { timeline } = await run.client.get(`/v1/PushNotifications/${push.id}`);
      expect(timeline).toMatchObject([
        { event: 'accepted' },
        { event: 'dispatched' },
        { event: 'attempt', outcome: 'retry', counted: true, httpStatus: 429 },
        { event: 'attempt', outcome: 'retry', counted: true, httpStatus: 429 },
        { event: 'attempt', outcome: 'accepted', counted: true },
        { event: 'settled', status: 'SENT' },
      ]);
      const instants = timeline.map(({ at }: { at: string }) => at);
      expect(instants).toEqual(instants.toSorted());
      expect(JSON.stringify(timeline)).not.toContain(push.to.token);
      // Retry-After: 1, for each try.
      expect(Date.parse(instants[3]) - Date.parse(instants[2])).toBeGreaterThanOrEqual(1_000);
    }
  });

  it('carries its own id as collapse id, so that the device shows a repetition once', async () => {
    const operationId = await run.send(['sim.ok.c1', 'sim.ok.c2']);
    await run.settled(operationId);
    const [toFcm] = await ledger('sim.ok.c1');
    const [toApns] = await ledger('sim.ok.c2');
    const { headers } = toApns.request;
    expect(headers['apns-collapse-id']).toBe(headers['apns-id']);
    expect(toApns.id).toBe(headers['apns-id']);
    const { android, apns, webpush } = bodyOf(toFcm).message;
    expect(android.notification.tag).toBe(toFcm.id);
    expect(apns.headers['apns-collapse-id']).toBe(toFcm.id);
    expect(webpush.notification.tag).toBe(toFcm.id);
  });

  it('that the caller gave a collapse key carries that one', async () => {
    const operationId = await run.send(['sim.ok.k1', 'sim.ok.k2'], { collapseKey: 'score' });
    await run.settled(operationId);
    const [toFcm] = await ledger('sim.ok.k1');
    const [toApns] = await ledger('sim.ok.k2');
    expect(toApns.request.headers['apns-collapse-id']).toBe('score');
    expect(toApns.request.headers['apns-id']).toBe(toApns.id);
    expect(bodyOf(toFcm).message.android.collapse_key).toBe('score');
  });

  it('of data alone carries its own id in its data, for the app to use', async () => {
    const content = { data: { order: '7' } };
    const operationId = await run.send(['sim.throttle.1.1.d1', 'sim.ok.d2'], { content });
    await run.settled(operationId, 60_000);
    const ids = new Set<string>();
    for (const entry of await ledger('sim.throttle.1.1.d1')) {
      const { data } = bodyOf(entry).message;
      expect(data).toEqual({ order: '7', fanfareId: expect.any(String) });
      ids.add(data.fanfareId);
    }
    // Of both tries the same.
    expect(ids.size).toBe(1);
    const [entry] = await ledger('sim.ok.d2');
    const { headers } = entry.request;
    expect(bodyOf(entry)).toMatchObject({ order: '7', fanfareId: headers['apns-id'] });
  });

  it('larger than the provider takes fails before it is sent, and the others go on', async () => {
    const body = {
      to: [
        { token: 'sim.ok.big1', provider: 'FCM', variables: { text: 'ä'.repeat(2_100) } },
        { token: 'sim.ok.big2', provider: 'APN', variables: { text: 'ä'.repeat(2_100) } },
        { token: 'sim.ok.small', provider: 'APN', variables: { text: 'ä' } },
      ],
      content: { body: '{{text}}' },
    };
    const { operationId } = await run.client.post('/v1/PushNotifications', body);
    expect((await run.settled(operationId)).stats).toMatchObject({ sent: 1, failed: 2 });
    const failed = (await pushesOf(operationId)).filter(
      ({ status }: { status: string }) => status === 'FAILED',
    );
    expect(failed.map(({ error }: { error: { code: number } }) => error.code)).toEqual([
      71004, 71004,
    ]);
    expect(await ledger('sim.ok.big1')).toEqual([]);
    expect(await ledger('sim.ok.big2')).toEqual([]);
  });

  it('whose template passes its limits fails alone', async () => {
    const body = {
      to: [
        { token: 'sim.ok.loop', provider: 'FCM', variables: { n: '1000000000' } },
        { token: 'sim.ok.fine', provider: 'FCM', variables: { n: '3' } },
      ],
      content: { body: '{% assign n = n | plus: 0 %}{% for i in (1..n) %}{{i}}{% endfor %}' },
    };
    const { operationId } = await run.client.post('/v1/PushNotifications', body);
    expect((await run.settled(operationId)).stats).toMatchObject({ sent: 1, failed: 1 });
    const failed = (await pushesOf(operationId)).find(
      ({ status }: { status: string }) => status === 'FAILED',
    );
    expect(failed.error.code).toBe(71005);
  });

  it('to a user goes to each of its devices', async () => {
    const register = async (provider: string, token: string, userId?: string) => {
      const { resourceLocation } = await run.client.post(
        '/v1/PushNotifications/DeviceRegistrations',
        { appName: 'news', provider, token, ...(userId && { userId }) },
      );
      return (await run.client.get(new URL(resourceLocation).pathname)).userId;
    };
    const devices = ['sim.ok.phone', 'sim.ok.tablet', 'sim.ok.watch'] as const;
    const userId = await register('FCM', devices[0]);
    await register('APN', devices[1], userId);
    await register('FCM', devices[2], userId);
    const { operationId } = await run.client.post('/v1/PushNotifications', {
      to: [{ userId, variables: { name: 'Ada' } }],
      content: { body: 'Hello {{ name }}' },
    });
    expect((await run.settled(operationId)).stats).toMatchObject({
      total: 3,
      recipients: 1,
      unaddressable: 0,
      sent: 3,
    });
    const arrived = await run.arrived();
    expect(devices.map((token) => arrived.get(token))).toEqual([1, 1, 1]);
  });

  it('to a user whom nobody registered counts as unaddressable', async () => {
    const { operationId } = await run.client.post('/v1/PushNotifications', {
      to: [
        { userId: 'comms_pushnotificationuser_01h455vb4pex5vsknk084sn02q' },
        { token: 'sim.ok.u', provider: 'FCM' },
      ],
      content: { body: 'Hello' },
    });
    expect((await run.settled(operationId)).stats).toMatchObject({
      total: 2,
      recipients: 2,
      unaddressable: 1,
      sent: 1,
    });
  });

  it('slower than the deadline is unknown, tried three times and given up, never more', async () => {
    const operationId = await run.send(['sim.timeout.t'], { content: { body: 'x' } });
    const operation = await run.settled(operationId, 60_000);
    expect(operation.stats).toMatchObject({ failed: 1 });
    const [push] = await pushesOf(operationId);
    expect(push).toMatchObject({ attempts: 3, error: { code: 71010 } });
    expect(await ledger('sim.timeout.t')).toHaveLength(3);
  }, 60_000);

  it('of a ttl of 0 gets exactly one attempt', async () => {
    const operationId = await run.send(['sim.unavailable.5.z'], { ttlSeconds: 0 });
    expect((await run.settled(operationId)).stats).toMatchObject({ failed: 1 });
    const [push] = await pushesOf(operationId);
    expect(push).toMatchObject({ attempts: 1, error: { code: 71008 } });
  });
});

describe('an operation', () => {
  it('adds up at every instant', async () => {
    const behaviours = ['ok', 'unregistered', 'slow.20', 'badtoken', 'throttle.1.1'];
    // With FCM, which even places go to, three throttled devices would pause the whole credential.
    const to = Array.from({ length: 1_000 }, (_, at) => {
      const behaviour = at % 10 === 4 ? 'ok' : behaviours[at % 5];
      return `sim.${behaviour}.sum${at}`;
    });
    const sending = run.send(to, {
      to: [
        ...asRecipients(to),
        { userId: 'comms_pushnotificationuser_01h455vb4pex5vsknk084sn02q' },
      ],
    });
    const operationId = await sending;
    let looks = 0;
    const states = new Set<string>();
    await run.until(
      'it is settled',
      async () => {
        const { stats, status } = await run.client.get(
          `/v1/PushNotifications/Operations/${operationId}`,
        );
        looks++;
        states.add(`${stats.sent + stats.failed}`);
        const { total, unaddressable, scheduled, queued, sent, failed, canceled } = stats;
        expect(scheduled + queued + sent + failed + canceled + unaddressable).toBe(total);
        const rows = await run.query(
          `SELECT o.queued, o.sent, o.failed, count(*) FILTER (WHERE p.status = 'QUEUED')::int AS q,
           count(*) FILTER (WHERE p.status = 'SENT')::int AS s, count(*) FILTER (WHERE p.status = 'FAILED')::int AS f
         FROM operations o JOIN push_notifications p ON p.operation_id = o.id
         WHERE o.total = 1001 GROUP BY o.id`,
        );
        expect([rows[0].q, rows[0].s, rows[0].f]).toEqual([
          rows[0].queued,
          rows[0].sent,
          rows[0].failed,
        ]);
        return status === 'COMPLETED';
      },
      60_000,
    );
    expect(looks).toBeGreaterThan(2);
    expect(states.size).toBeGreaterThan(2);
    expect(
      (await run.client.get(`/v1/PushNotifications/Operations/${operationId}`)).stats,
    ).toMatchObject({ total: 1_001, unaddressable: 1, sent: 600, failed: 400 });
  }, 90_000);
});

const asRecipients = (to: readonly string[]) =>
  to.map((token, at) => ({
    token,
    provider: at % 2 === 0 ? 'FCM' : 'APN',
    variables: { name: 'x' },
  }));
