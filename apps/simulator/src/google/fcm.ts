import type { CredentialStore } from '../credentials.js';
import type { Exchange, Reply } from '../exchange.js';
import type { Stage, Subject, Wording } from '../stage.js';
import type { AccessTokens } from './access-tokens.js';
import {
  accepted,
  badRequest,
  forbidden,
  invalidArgument,
  noSuchPage,
  noSuchProject,
  refused,
  unauthenticated,
} from './fcm-answers.js';
import { checkMessage, messageId, parseRequest } from './fcm-message.js';
import type { TokenEndpoint } from './token-endpoint.js';

const SEND_PATH = /^\/v1\/projects\/([^/?]+)\/messages:send(?:\?.*)?$/;

/** The message id Google answers to a dry run. */
const FAKE_ID = 'fake_message_id';

/** FCM HTTP v1 and, on the same server, Google's token endpoint. */
export class Fcm {
  private messages = 0;
  /** The latest path: nearly all requests have the same one. */
  private known = { path: '', project: '' };

  constructor(
    private readonly stage: Stage,
    private readonly credentials: CredentialStore,
    private readonly tokens: AccessTokens,
    private readonly tokenEndpoint: TokenEndpoint,
    private readonly now: () => number,
  ) {}

  handle(exchange: Exchange): void {
    if (exchange.path === '/token') {
      exchange.reply(this.tokenEndpoint.answer(exchange));
      return;
    }
    const subject: Subject = { provider: 'fcm', token: '', id: null };
    const project = this.project(exchange.path);
    if (project === undefined || exchange.method !== 'POST') {
      this.stage.reject(exchange, subject, noSuchPage());
      return;
    }
    const refusal = this.authenticate(exchange, project);
    if (refusal !== undefined) {
      this.stage.reject(exchange, subject, refusal);
      return;
    }
    if (exchange.truncated) {
      this.stage.reject(exchange, subject, invalidArgument('Message is too big', null));
      return;
    }
    const request = parseRequest(exchange.text());
    if (!request.ok) {
      this.stage.reject(exchange, subject, badRequest(request.message, request.violations));
      return;
    }

    const { message } = request;
    subject.token = target(message);
    subject.id = messageId(message);
    const fault = checkMessage(message);
    if (fault?.kind === 'field') {
      const { field, description } = fault;
      this.stage.reject(exchange, subject, badRequest(description, [{ field, description }]));
    } else if (fault?.kind === 'fcm') {
      this.stage.reject(exchange, subject, invalidArgument(fault.description, fault.field));
    } else {
      this.stage.perform(exchange, subject, this.wording(project, request.validateOnly));
    }
  }

  private wording(project: string, validateOnly: boolean): Wording {
    return {
      accepted: () => {
        const id = validateOnly ? FAKE_ID : `0:${Date.now()}%${(this.messages += 1).toString(16)}`;
        const reply = accepted(`projects/${project}/messages/${id}`);
        // A dry run reaches nobody, so the ledger must not count it as a delivery.
        return validateOnly ? { ...reply, reason: 'validate_only' } : reply;
      },
      refused: (rule) => refused(rule, project, Date.now()),
    };
  }

  /** Undefined when the caller may send in that project. */
  private authenticate(exchange: Exchange, project: string): Reply | undefined {
    const { authorization } = exchange.headers;
    if (authorization === undefined) return unauthenticated(false);
    // Schemes are case-insensitive (RFC 9110 section 11.1).
    if (authorization.slice(0, 7).toLowerCase() !== 'bearer ') return unauthenticated(true);
    const owner = this.tokens.owner(authorization.slice(7), this.now());
    if (owner === undefined) return unauthenticated(true);
    if (owner.projectId === project) return undefined;
    return this.credentials.hasProject(project) ? forbidden(project) : noSuchProject();
  }

  private project(path: string): string | undefined {
    if (path === this.known.path) return this.known.project;
    const found = SEND_PATH.exec(path)?.[1];
    if (found === undefined) return undefined;
    let project: string;
    try {
      project = decodeURIComponent(found);
    } catch {
      return undefined;
    }
    this.known = { path, project };
    return project;
  }
}

/** The device token; topics and conditions are shown by what they are. */
function target(message: Record<string, unknown>): string {
  const { token, topic, condition } = message;
  if (typeof token === 'string' && token !== '') return token;
  if (typeof topic === 'string' && topic !== '') return `/topics/${topic}`;
  return typeof condition === 'string' ? condition : '';
}
