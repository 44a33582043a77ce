import { describe, expect, it } from '@jest/globals';
import { Send } from '@app/contract';
import { InvalidRequest, KeyReused, Unavailable, newId, parseId } from '@app/domain';
import type { Credential } from '@app/domain';
import type {
  CredentialRepository,
  DeviceRepository,
  DispatchSignal,
  Done,
  NewOperation,
  OperationRepository,
} from '@app/persistence';
import { SendCheck } from './send-check.js';
import { SendResolver } from './send-resolver.js';
import { SendService } from './send.service.js';

const account = newId();
const credential = { id: newId(), appName: 'shop', credentialType: 'FCM' } as Credential;
const user = 'comms_pushnotificationuser_01h2xcejqtf2nbrexx3vqjhp41';

function build(
  accept: (operation: NewOperation) => Promise<string>,
  findDone: () => Promise<Done | null> = async () => null,
) {
  const events: string[] = [];
  const operations = {
    accept: async (_account: string, operation: NewOperation) => {
      events.push('accept');
      const id = await accept(operation);
      events.push('committed');
      return { id, replayed: false };
    },
    findDone,
  } as unknown as OperationRepository;
  const asked: string[] = [];
  const credentials = {
    select: async () => (asked.push('select'), [credential]),
    open: async () => (asked.push('open'), { secret: { topic: 'com.example.shop' } }),
  } as unknown as CredentialRepository;
  const signal = { notify: () => void events.push('notify') } as DispatchSignal;
  const devices = {
    count: async () => (asked.push('count'), new Map()),
  } as unknown as DeviceRepository;
  const check = new SendCheck(new SendResolver(credentials, devices));
  return { events, asked, service: new SendService(check, operations, signal) };
}

const send = (body: object) =>
  Send.parse({ to: [{ token: 't', provider: 'FCM' }], content: { body: 'B' }, ...body });

describe('SendService', () => {
  it('commits what was asked for', async () => {
    let accepted: NewOperation | undefined;
    const id = newId();
    const { service } = build(async (operation) => {
      accepted = operation;
      return id;
    });
    const to = [
      { token: 't', provider: 'FCM', variables: { a: 'b' } },
      { userId: user },
      { token: 'u', provider: 'FCM' },
    ];
    const asked = send({ to, collapseKey: 'c', tags: { a: 'b' }, badge: 0 });
    expect(await service.accept(account, asked)).toEqual({ id, replayed: false });
    expect(accepted).toEqual({
      settings: {
        content: { body: 'B' },
        priority: 'HIGH',
        sound: null,
        ttlSeconds: 2_419_200,
        collapseKey: 'c',
        badge: 0,
        overrides: null,
      },
      tags: { a: 'b' },
      scheduledFor: null,
      recipients: 3,
      pushes: [
        { provider: 'FCM', token: 't', variables: { a: 'b' } },
        { provider: 'FCM', token: 'u', variables: null },
      ],
      users: [{ id: parseId('user', user), variables: null }],
      appName: 'shop',
      credentials: { FCM: credential.id },
    });
  });

  it('asks the database for nothing but credentials when all is well', async () => {
    const { service, asked } = build(async () => newId());
    const to = [{ userId: user }, { token: 't', provider: 'FCM' }];
    await service.accept(account, send({ to, tags: { a: '{{ b }}x' }, overrides: { fcm: {} } }));
    expect(asked).toEqual(['select']);
    // What is refused anyway is worth a look at its users.
    await expect(service.accept(account, send({ to, content: { body: '{{' } }))).rejects.toThrow();
    expect(asked).toEqual(['select', 'select', 'count']);
  });

  it('wakes the dispatchers after the commit, not before', async () => {
    const { service, events } = build(async () => newId());
    await service.accept(account, send({}));
    expect(events).toEqual(['accept', 'committed', 'notify']);
  });

  it('wakes nobody for what was not committed', async () => {
    const { service, events } = build(async () => {
      throw new Unavailable('down');
    });
    await expect(service.accept(account, send({}))).rejects.toBeInstanceOf(Unavailable);
    expect(events).toEqual(['accept']);
  });

  it('names faults of templates and credentials together, and commits nothing', async () => {
    const { service, events } = build(async () => newId());
    const to = [{ token: 't', provider: 'APN' }];
    const refused = service.accept(account, send({ to, content: { body: '{{' } }));
    await expect(refused).rejects.toBeInstanceOf(InvalidRequest);
    await expect(refused).rejects.toMatchObject({
      faults: [{ context: '$.content.body' }, { context: '$.from' }],
    });
    expect(events).toEqual([]);
  });

  it('gives each push its own tags when they are templates', async () => {
    let accepted: NewOperation | undefined;
    const { service } = build(async (operation) => {
      accepted = operation;
      return newId();
    });
    const to = ['Ann', 'Bob'].map((name) => ({ token: 't', provider: 'FCM', variables: { name } }));
    const tags = { who: '{{ name | downcase }}', what: 'x' };
    await service.accept(
      account,
      send({ to: [{ userId: user, variables: { name: 'c' } }, ...to], tags }),
    );
    expect(accepted?.tags).toEqual(tags);
    expect(accepted?.users.map((user) => user.tags)).toEqual([{ who: 'c', what: 'x' }]);
    expect(accepted?.pushes.map((push) => push.tags)).toEqual([
      { who: 'ann', what: 'x' },
      { who: 'bob', what: 'x' },
    ]);
  });

  it('names the recipients for whom a tag does not render', async () => {
    const { service } = build(async () => newId());
    const to = ['ok', '', 'not this'].map((v) => ({
      token: 't',
      provider: 'FCM',
      variables: { v },
    }));
    await expect(
      service.accept(account, send({ to, tags: { k: '{{ v }}' } })),
    ).rejects.toMatchObject({ faults: [{ context: '$.to[1]' }, { context: '$.to[2]' }] });
  });

  it('asks the key first: a repetition gets its first answer, whatever it would get now', async () => {
    const id = newId();
    const { service, events } = build(
      async () => newId(),
      async () => ({ id, replayed: true }),
    );
    const once = { key: 'k', fingerprint: Buffer.alloc(32) };
    const past = send({ schedule: { sendAt: '2020-01-01T00:00:00Z' } });
    expect(await service.accept(account, past, once)).toEqual({ id, replayed: true });
    expect(events).toEqual([]);
    await expect(service.accept(account, past)).rejects.toBeInstanceOf(InvalidRequest);
    const reused = build(
      async () => newId(),
      async () => {
        throw new KeyReused('other');
      },
    );
    await expect(reused.service.accept(account, past, once)).rejects.toBeInstanceOf(KeyReused);
  });
});
