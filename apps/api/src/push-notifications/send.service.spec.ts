import { describe, expect, it } from '@jest/globals';
import { Send } from '@app/contract';
import { InvalidRequest, Unavailable, newId } from '@app/domain';
import type { Credential } from '@app/domain';
import type {
  CredentialRepository,
  DispatchSignal,
  NewOperation,
  OperationRepository,
} from '@app/persistence';
import { SendService } from './send.service.js';

const account = newId();
const credential = { id: newId(), appName: 'shop', credentialType: 'FCM' } as Credential;
const user = 'comms_pushnotificationuser_01h2xcejqtf2nbrexx3vqjhp41';

function build(accept: (operation: NewOperation) => Promise<string>) {
  const events: string[] = [];
  const operations = {
    accept: async (_account: string, operation: NewOperation) => {
      events.push('accept');
      const id = await accept(operation);
      events.push('committed');
      return id;
    },
  } as OperationRepository;
  const credentials = { select: async () => [credential] } as unknown as CredentialRepository;
  const signal = { notify: () => void events.push('notify') } as DispatchSignal;
  return { events, service: new SendService(credentials, operations, signal) };
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
    expect(await service.accept(account, send({ to, collapseKey: 'c' }))).toBe(id);
    expect(accepted).toEqual({
      settings: {
        content: { body: 'B' },
        priority: 'HIGH',
        sound: null,
        ttlSeconds: 2_419_200,
        collapseKey: 'c',
      },
      scheduledFor: null,
      recipients: 3,
      pushes: [
        { provider: 'FCM', token: 't', variables: { a: 'b' } },
        { provider: 'FCM', token: 'u', variables: null },
      ],
      unaddressable: [user],
      credentials: { FCM: credential.id },
    });
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
});
