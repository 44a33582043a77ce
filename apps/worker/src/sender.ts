import { instantOfId, type Outcome } from '@app/domain';
import type { ClaimedPush } from '@app/persistence';
import type { Message, ProviderCredential, Providers } from '@app/providers';
import { RenderError, type RenderedContent } from '@app/templating';
import type { Credentials } from './credentials.js';
import type { OperationContent, OperationContents } from './operation-contents.js';

/** A push that is ready for the wire, or why it will never be. */
export type Prepared =
  | {
      state: 'ready';
      immediate: boolean;
      /** Of the credential's secret. */
      version: number;
      /** It waited for its time, not for its turn. */
      isScheduled: boolean;
      /** @param at the instant of the attempt, by the database's clock. */
      send: (at: Date) => Promise<Outcome>;
    }
  | { state: 'refused'; immediate: boolean; outcome: Outcome }
  | { state: 'no-credential'; immediate: boolean };

/** Brings credential, content and recipient together and hands the message to its provider. */
export class Sender {
  constructor(
    private readonly credentials: Credentials,
    private readonly contents: OperationContents,
    private readonly providers: Providers,
  ) {}

  /** @throws Unavailable and other faults of ours: nothing was sent, the claim is to be given back. */
  async prepare(push: ClaimedPush): Promise<Prepared> {
    const [credential, content] = await Promise.all([
      this.credentials.get(push.accountId, push.credentialId, push.probing),
      this.contents.get(push.operationId),
    ]);
    const immediate = content.settings.ttlSeconds === 0;
    if (credential === null) return { state: 'no-credential', immediate };
    const { scheduledFor } = content;
    let rendered: RenderedContent;
    try {
      rendered = content.template.render(
        push.variables ?? {},
        scheduledFor ?? instantOfId(push.id),
      );
    } catch (error) {
      if (!(error instanceof RenderError)) throw error;
      const outcome = payloadFault(error.message);
      return { state: 'refused', immediate, outcome };
    }
    const send = (at: Date) =>
      this.handOver(credential, toMessage(push, content, rendered, immediate, at));
    const { version } = credential;
    return { state: 'ready', immediate, version, isScheduled: scheduledFor !== null, send };
  }

  private async handOver(credential: ProviderCredential, message: Message): Promise<Outcome> {
    const outcome = await (credential.type === 'FCM'
      ? this.providers.FCM.send(credential, message)
      : this.providers.APN.send(credential, message));
    // It may have been rotated meanwhile.
    if (outcome.kind === 'credential') this.credentials.forget(credential.id);
    return outcome;
  }
}

function payloadFault(message: string): Outcome {
  return { kind: 'payload', failure: 'LIQUID_RENDER', reason: 'render', message };
}

function toMessage(
  push: ClaimedPush,
  { settings }: OperationContent,
  rendered: RenderedContent,
  immediate: boolean,
  attemptAt: Date,
): Message {
  const message: Message = {
    id: push.id,
    token: push.token,
    ...rendered,
    priority: settings.priority,
    sound: settings.sound,
    expiresAt: push.expiresAt,
    attemptAt,
    immediate,
  };
  if (settings.collapseKey !== null) message.collapseKey = settings.collapseKey;
  if (settings.content.imageUrl !== undefined) message.imageUrl = settings.content.imageUrl;
  if (settings.badge !== null) message.badge = settings.badge;
  if (settings.overrides !== null) message.overrides = settings.overrides;
  return message;
}
