import type { Preflight, PreflightRecipient, Recipient, Send } from '@app/contract';
import { FAILURES, InvalidRequest, newId } from '@app/domain';
import type { FailureName, Fault, Uuid } from '@app/domain';
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

const MAX_RENDER_MS = 5_000;
/** Of recipients in the answer, as JSON. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

type PreflightError = PreflightRecipient['errors'][number];

/** Says what a send would do, recipient by recipient, and does nothing. */
@Injectable()
export class PreflightService {
  constructor(private readonly resolver: SendResolver) {}

  /** @throws Unavailable */
  async check(accountId: Uuid, send: Send): Promise<Preflight> {
    const now = new Date();
    const faults = sendFaults(send, now);
    const resolved = await this.resolver.resolve(accountId, send);
    const errors = [...faults, ...resolved.faults].map(brokenRule);
    const unparsed = faults.some(({ context }) => /^\$\.(content|tags)/.test(context));
    const recipients = unparsed ? [] : await this.recipients(send, send.schedule?.sendAt ?? now);
    return { checked: recipients.length, recipients, errors };
  }

  private async recipients(send: Send, now: Date): Promise<PreflightRecipient[]> {
    const budget = new RenderBudget(MAX_RENDER_MS);
    const template = compileContent(send.content);
    const recipients: PreflightRecipient[] = [];
    let bytes = 0;
    for (const [at, recipient] of send.to.entries()) {
      if (budget.exhausted || bytes > MAX_ANSWER_BYTES) break;
      const checked = await budget.spend(() => {
        const one = checkRecipient(send, template, recipient, jsonPath(['to', at]), now);
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
  context: string,
  now: Date,
): PreflightRecipient {
  const variables = to.variables ?? {};
  const errors: PreflightError[] = [];
  const checked: PreflightRecipient = { to, errors };
  if ('userId' in to) errors.push(failure('UNADDRESSABLE', context));
  if (send.tags !== undefined) {
    const rendered = renderTagsFor(send.tags, variables, now);
    if ('tags' in rendered) checked.tags = rendered.tags;
    else errors.push(brokenRule({ message: rendered.message, context }));
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
  checked.bytes = { fcm: fcmPayloadSize(message), apn: apn.bytes };
  const tooLarge =
    'provider' in to &&
    (to.provider === 'FCM' ? checked.bytes.fcm > FCM_PAYLOAD_LIMIT : apn.bytes > apn.limit);
  if (tooLarge) errors.push(failure('PAYLOAD_TOO_LARGE', context));
  return checked;
}

const imageOf = ({ content: { imageUrl } }: Send) => (imageUrl === undefined ? {} : { imageUrl });

/** Ids have one length, so any one gives the size. */
const ANY_ID = newId();

function messageOf(
  send: Send,
  content: NonNullable<PreflightRecipient['content']>,
): Omit<Message, 'token' | 'expiresAt'> {
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
