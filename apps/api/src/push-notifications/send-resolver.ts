import type { Recipient } from '@app/contract';
import { PROVIDERS, parseId, tooManyPushes } from '@app/domain';
import type { Fault, ProviderKind, Tags, Uuid } from '@app/domain';
import {
  CredentialRepository,
  DeviceRepository,
  SecretDoesNotOpen,
  countPushes,
} from '@app/persistence';
import type { DeviceCounts, NewPush, NewUserPush } from '@app/persistence';
import { apnTopicOf, forbiddenApnsHeaders } from '@app/providers/checks';
import { Injectable } from '@nestjs/common';
import { jsonPath } from '../errors/json-path.js';
import { chooseCredentials, selectorOf } from './choose-credentials.js';
import type { ChosenCredentials } from './choose-credentials.js';
import type { SendParts } from './send-parts.js';

/** Who a send goes to and with what. */
export interface Resolved extends ChosenCredentials {
  pushes: NewPush[];
  users: NewUserPush[];
}

const TOPIC = 'apns-topic';
const BUNDLE_ID = /^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/;

@Injectable()
export class SendResolver {
  constructor(
    private readonly credentials: CredentialRepository,
    private readonly devices: DeviceRepository,
  ) {}

  /**
   * @param tags rendered, in the places of `to`; absent when they are the same for all.
   * @throws Unavailable
   */
  async resolve(
    accountId: Uuid,
    send: SendParts,
    tags?: readonly (Tags | undefined)[],
  ): Promise<Resolved> {
    const { pushes, users, providers, faults } = addressees(send.to, tags);
    const chosen = await this.choose(accountId, send.from, providers);
    faults.push(...chosen.faults);
    const topic = send.overrides?.apn?.headers?.[TOPIC];
    if (topic !== undefined) {
      faults.push(...(await this.topicFaults(accountId, topic, chosen.credentials.APN)));
    }
    return { pushes, users, ...chosen, faults };
  }

  /**
   * How many devices the users of a send have now. What is accepted is counted again, in its transaction.
   *
   * @returns null when there is no user to count for or no App to count in.
   * @throws Unavailable
   */
  async expand(
    accountId: Uuid,
    { users, pushes, appName, credentials }: Resolved,
  ): Promise<{ counts: ReadonlyMap<Uuid, DeviceCounts> | null; faults: Fault[] }> {
    if (users.length === 0 || appName === null) return { counts: null, faults: [] };
    const userIds = users.map(({ id }) => id);
    const providers = PROVIDERS.filter((provider) => credentials[provider] !== undefined);
    const counts = await this.devices.count({ accountId, appName, providers, userIds });
    const fault = tooManyPushes(pushes.length + countPushes(userIds, counts));
    return { counts, faults: fault === undefined ? [] : [fault] };
  }

  private async choose(
    accountId: Uuid,
    from: SendParts['from'],
    needed: ReadonlySet<ProviderKind>,
  ): Promise<ChosenCredentials> {
    if (from === null) return { credentials: {}, appName: null, faults: [] };
    const found = await this.credentials.select(accountId, selectorOf(from));
    return chooseCredentials(from, found, needed);
  }

  /**
   * A topic is the credential's bundle id, which is sealed with its secret: opened for this rare override, so that
   * another App's is refused before the 202 and not push by push after it.
   */
  private async topicFaults(
    accountId: Uuid,
    value: string,
    credentialId: Uuid | undefined,
  ): Promise<Fault[]> {
    const topic =
      credentialId === undefined ? undefined : await this.topicOf(accountId, credentialId);
    // It may be rotated until the push is sent: the worker looks at it once more.
    const isGood =
      topic === undefined
        ? BUNDLE_ID.test(value)
        : forbiddenApnsHeaders({ [TOPIC]: value }, topic).length === 0;
    if (isGood) return [];
    const message = "Expected the credential's bundle id, alone or with the suffix of a push type.";
    return [{ message, context: jsonPath(['overrides', 'apn', 'headers', TOPIC]) }];
  }

  /**
   * undefined when it cannot be told. A key that is missing in the ring is for its operator to mend: a send without
   * the override is accepted meanwhile, and so is this one.
   */
  private async topicOf(accountId: Uuid, credentialId: Uuid): Promise<string | undefined> {
    try {
      return apnTopicOf((await this.credentials.open(accountId, credentialId))?.secret);
    } catch (error) {
      if (error instanceof SecretDoesNotOpen) return undefined;
      throw error;
    }
  }
}

/** One pass over up to 10,000 recipients. Which devices a user has is found out in the transaction. */
function addressees(
  to: readonly (Recipient | undefined)[],
  tags: readonly (Tags | undefined)[] | undefined,
): {
  pushes: NewPush[];
  users: NewUserPush[];
  providers: Set<ProviderKind>;
  faults: Fault[];
} {
  const pushes: NewPush[] = [];
  const users: NewUserPush[] = [];
  const providers = new Set<ProviderKind>();
  const faults: Fault[] = [];
  for (const [at, recipient] of to.entries()) {
    if (recipient === undefined) continue;
    const own = tags?.[at];
    const common = { variables: recipient.variables ?? null, ...(own && { tags: own }) };
    if ('userId' in recipient) {
      const id = parseId('user', recipient.userId);
      if (id !== null) users.push({ id, ...common });
      else faults.push({ message: 'Unknown id.', context: jsonPath(['to', at, 'userId']) });
      continue;
    }
    const { provider, token } = recipient;
    providers.add(provider);
    pushes.push({ provider, token, ...common });
  }
  return { pushes, users, providers, faults };
}
