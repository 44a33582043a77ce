import type { Recipient, Send } from '@app/contract';
import { parseId } from '@app/domain';
import type { Fault, ProviderKind, Tags, Uuid } from '@app/domain';
import { CredentialRepository } from '@app/persistence';
import type { NewPush, NewUserPush } from '@app/persistence';
import { Injectable } from '@nestjs/common';
import { jsonPath } from '../errors/json-path.js';
import { chooseCredentials, selectorOf } from './choose-credentials.js';
import type { ChosenCredentials } from './choose-credentials.js';

/** Who a send goes to and with what. */
export interface Resolved extends ChosenCredentials {
  pushes: NewPush[];
  users: NewUserPush[];
}

@Injectable()
export class SendResolver {
  constructor(private readonly credentials: CredentialRepository) {}

  /**
   * @param tags rendered, one for each of `to`; absent when they are the same for all.
   * @throws Unavailable
   */
  async resolve(accountId: Uuid, send: Send, tags?: readonly Tags[]): Promise<Resolved> {
    const { pushes, users, providers, faults } = addressees(send.to, tags);
    const found = await this.credentials.select(accountId, selectorOf(send.from));
    const chosen = chooseCredentials(send.from, found, providers);
    return { pushes, users, ...chosen, faults: [...faults, ...chosen.faults] };
  }
}

/** One pass over up to 10,000 recipients. Which devices a user has is found out in the transaction. */
function addressees(to: readonly Recipient[], tags: readonly Tags[] | undefined) {
  const pushes: NewPush[] = [];
  const users: NewUserPush[] = [];
  const providers = new Set<ProviderKind>();
  const faults: Fault[] = [];
  for (const [at, recipient] of to.entries()) {
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
