import { WORK_LIMITS } from '@app/contract';
import type { Preflight, PreflightRecipient, Recipient, Send } from '@app/contract';
import { FAILURES, InvalidRequest, PROVIDERS, newId, parseId } from '@app/domain';
import type { FailureName, Fault, ProviderKind, Uuid } from '@app/domain';
import { FCM_PAYLOAD_LIMIT, apnsPayloadSize, fcmPayloadSize } from '@app/providers/checks';
import type { Message } from '@app/providers/checks';
import { RenderError, compileContent } from '@app/templating';
import type { ContentTemplate } from '@app/templating';
import { Injectable } from '@nestjs/common';
import { jsonPath } from '../errors/json-path.js';
import { RenderBudget } from './render-budget.js';
import { renderTagsFor } from './render-tags.js';
import { sendFaults } from './send-rules.js';
import { SendResolver } from './send-resolver.js';
import type { Resolved } from './send-resolver.js';

/** Which providers a push would go through for a recipient; null when that cannot be told. */
type ProvidersOf = (to: Recipient) => readonly ProviderKind[] | null;

type PreflightError = PreflightRecipient['errors'][number];

/** Says what a send would do, recipient by recipient, and does nothing. */
@Injectable()
export class PreflightService {
  constructor(private readonly resolver: SendResolver) {}

  /** @throws Unavailable */
  async check(accountId: Uuid, send: Send): Promise<Preflight> {
    const now = new Date();
    const faults = sendFaults(send, now);
    const unparsed = faults.some(({ context }) => /^\$\.(content|tags)/.test(context));
    const resolved = await this.resolver.resolve(accountId, send);
    const users = await this.users(accountId, resolved);
    const errors = [...faults, ...resolved.faults, ...users.faults].map(brokenRule);
    const recipients = unparsed
      ? []
      : await this.recipients(send, users.providersOf, send.schedule?.sendAt ?? now);
    return { checked: recipients.length, recipients, errors };
  }

  /** As a send would expand them now; nothing is known of them while it has no App. */
  private async users(
    accountId: Uuid,
    resolved: Resolved,
  ): Promise<{ providersOf: ProvidersOf; faults: readonly Fault[] }> {
    const { counts, faults } = await this.resolver.expand(accountId, resolved);
    return {
      faults,
      providersOf: (to) => {
        if (!('userId' in to)) return [to.provider];
        if (counts === null) return null;
        const devices = counts.get(parseId('user', to.userId) ?? '') ?? {};
        return PROVIDERS.filter((provider) => devices[provider] !== undefined);
      },
    };
  }

  private async recipients(
    send: Send,
    providersOf: ProvidersOf,
    now: Date,
  ): Promise<PreflightRecipient[]> {
    const budget = new RenderBudget(WORK_LIMITS.preflightMs);
    const template = compileContent(send.content);
    const recipients: PreflightRecipient[] = [];
    let bytes = 0;
    for (const [at, recipient] of send.to.entries()) {
      if (budget.exhausted || bytes > WORK_LIMITS.preflightBytes) break;
      const checked = await budget.spend(() => {
        const providers = providersOf(recipient);
        const one = checkRecipient(send, template, recipient, providers, jsonPath(['to', at]), now);
        bytes += Buffer.byteLength(JSON.stringify(one));
        return one;
      });
      recipients.push(checked);
    }
    return recipients;
  }
}

function checkRecipient(
  send: Send,
  template: ContentTemplate,
  to: Recipient,
  providers: readonly ProviderKind[] | null,
  context: string,
  now: Date,
): PreflightRecipient {
  const variables = to.variables ?? {};
  const errors: PreflightError[] = [];
  const checked: PreflightRecipient = { to, errors };
  if (providers?.length === 0) errors.push(failure('UNADDRESSABLE', context));
  if (send.tags !== undefined) {
    const rendered = renderTagsFor(send.tags, variables, now);
    if ('tags' in rendered) checked.tags = rendered.tags;
    else errors.push(...rendered.messages.map((message) => brokenRule({ message, context })));
  }
  try {
    checked.content = { ...template.render(variables, now), ...imageOf(send) };
  } catch (error) {
    if (!(error instanceof RenderError)) throw error;
    errors.push(failure('LIQUID_RENDER', context, error.message));
    return checked;
  }
  const message = messageOf(send, checked.content);
  const apn = apnsPayloadSize(message);
  const bytes = { fcm: fcmPayloadSize(message), apn: apn.bytes };
  checked.bytes = bytes;
  const tooLarge = providers?.some((provider) =>
    provider === 'FCM' ? bytes.fcm > FCM_PAYLOAD_LIMIT : apn.bytes > apn.limit,
  );
  if (tooLarge === true) errors.push(failure('PAYLOAD_TOO_LARGE', context));
  return checked;
}

const imageOf = ({ content: { imageUrl } }: Send) => (imageUrl === undefined ? {} : { imageUrl });

/** Ids have one length, so any one gives the size. */
const ANY_ID = newId();

function messageOf(
  send: Send,
  content: NonNullable<PreflightRecipient['content']>,
): Omit<Message, 'token' | 'expiresAt' | 'attemptAt'> {
  const { priority, sound, badge, collapseKey, overrides, ttlSeconds } = send;
  return {
    id: ANY_ID,
    ...content,
    priority,
    sound,
    immediate: ttlSeconds === 0,
    ...(badge === undefined ? {} : { badge }),
    ...(collapseKey === undefined ? {} : { collapseKey }),
    ...(overrides === undefined ? {} : { overrides }),
  };
}

function brokenRule({ message, context }: Fault): PreflightError {
  return { code: new InvalidRequest([]).code, message, context };
}

function failure(name: FailureName, context: string, detail?: string): PreflightError {
  const { code, sentence } = FAILURES[name];
  return { code, message: detail === undefined ? sentence : `${sentence} (${detail})`, context };
}
