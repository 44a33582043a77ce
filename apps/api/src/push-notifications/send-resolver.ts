import type { Recipient, Send } from '@app/contract';
import type { Fault, ProviderKind, Tags, Uuid } from '@app/domain';
import { CredentialRepository } from '@app/persistence';
import type { NewPush } from '@app/persistence';
import { Injectable } from '@nestjs/common';
import { chooseCredentials, selectorOf } from './choose-credentials.js';

/** Who a send goes to and with what. */
export interface Resolved {
  pushes: NewPush[];
  /** User ids without a usable device. */
  unaddressable: string[];
  credentials: Partial<Record<ProviderKind, Uuid>>;
  faults: Fault[];
}

@Injectable()
export class SendResolver {
  constructor(private readonly credentials: CredentialRepository) {}

  /**
   * @param tags rendered, one for each of `to`; absent when they are the same for all.
   * @throws Unavailable
   */
  async resolve(accountId: Uuid, send: Send, tags?: readonly Tags[]): Promise<Resolved> {
    const { pushes, unaddressable, providers } = addressees(send.to, tags);
    const found = await this.credentials.select(accountId, selectorOf(send.from));
    const chosen = chooseCredentials(send.from, found, providers);
    return { pushes, unaddressable, credentials: {}, faults: [], ...chosen };
  }
}

/** One pass over up to 10,000 recipients. There are no users yet: each counts as unaddressable. */
function addressees(to: readonly Recipient[], tags: readonly Tags[] | undefined) {
  const pushes: NewPush[] = [];
  const unaddressable: string[] = [];
  const providers = new Set<ProviderKind>();
  for (const [at, recipient] of to.entries()) {
    if ('userId' in recipient) {
      unaddressable.push(recipient.userId);
      continue;
    }
    const { provider, token, variables } = recipient;
    providers.add(provider);
    const push: NewPush = { provider, token, variables: variables ?? null };
    const own = tags?.[at];
    if (own !== undefined) push.tags = own;
    pushes.push(push);
  }
  return { pushes, unaddressable, providers };
}
