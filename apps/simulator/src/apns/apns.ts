import { randomUUID } from 'node:crypto';
import type { ServerName } from '../behaviour.js';
import type { Exchange } from '../exchange.js';
import type { Stage, Subject, Wording } from '../stage.js';
import { accepted, type ApnsReason, refusal, refused } from './answers.js';
import type { ProviderTokens } from './provider-tokens.js';
import { checkHeaders, checkPayload, first, isUuid } from './request-checks.js';

const DEVICE_PATH = '/3/device/';

/** The one well-formed token of which everybody knows that no device has it. */
const NEVER_GIVEN_OUT = /^0{64,}$/;

export interface ApnsOptions {
  name: Extract<ServerName, 'apns' | 'apnsSandbox'>;
  stage: Stage;
  tokens: ProviderTokens;
  /** Streams a session may have once its caller is known. */
  maxConcurrentStreams: () => number;
}

/** The HTTP/2 provider API of APNs; one instance each for production and sandbox. */
export class Apns {
  constructor(private readonly options: ApnsOptions) {}

  handle(exchange: Exchange): void {
    const { name, stage } = this.options;
    const asked = first(exchange.headers['apns-id']);
    const apnsId = asked !== undefined && isUuid(asked) ? asked : randomUUID();
    const subject: Subject = { provider: name, token: '', id: null };
    if (asked !== undefined) subject.id = copy(asked);

    const fault = this.check(exchange, subject);
    if (fault !== undefined) {
      stage.reject(exchange, subject, refusal(fault, apnsId));
      return;
    }
    const wording: Wording = {
      accepted: () => accepted(apnsId),
      refused: (rule) => refused(rule, apnsId, Date.now()),
    };
    stage.perform(exchange, subject, wording);
  }

  /** Undefined when the request is in order; fills in the token as soon as it is known. */
  private check(exchange: Exchange, subject: Subject): ApnsReason | undefined {
    const token = deviceToken(exchange.path);
    if (token === undefined) return 'BadPath';
    subject.token = copy(token);
    if (exchange.method !== 'POST') return 'MethodNotAllowed';

    const caller = this.authenticate(exchange);
    if (!caller.ok) return caller.reason;
    const { connection } = exchange;
    if (!connection.authenticated) {
      exchange.answered = () => {
        connection.greet(this.options.maxConcurrentStreams());
      };
    }

    const fault = checkHeaders(exchange.headers, caller.topic);
    if (fault !== undefined) return fault;
    if (exchange.truncated) return 'PayloadTooLarge';
    const type = first(exchange.headers['apns-push-type']) ?? '';
    const payloadFault = checkPayload(exchange.text(), type);
    if (payloadFault !== undefined) return payloadFault;
    if (token === '') return 'MissingDeviceToken';
    return NEVER_GIVEN_OUT.test(token) ? 'BadDeviceToken' : undefined;
  }

  /** By provider token if there is one, else by the connection's certificate. */
  private authenticate(
    exchange: Exchange,
  ): { ok: true; topic: string } | { ok: false; reason: ApnsReason } {
    const { connection, headers } = exchange;
    if (headers.authorization !== undefined) {
      const verified = this.options.tokens.verify(headers.authorization);
      if (!verified.ok) return verified;
      connection.team ??= verified.teamId;
      // "You can't use one connection for more than one team": Apple's word for it is not known.
      if (connection.team !== verified.teamId) return { ok: false, reason: 'InvalidProviderToken' };
      return verified;
    }
    const { certificate } = connection;
    if (certificate === null) return { ok: false, reason: 'MissingProviderToken' };
    if (!certificate.trusted || certificate.topic === undefined) {
      return { ok: false, reason: 'BadCertificate' };
    }
    return { ok: true, topic: certificate.topic };
  }
}

/** The token, decoded once; '' when there is none or it cannot be decoded; undefined: other path. */
function deviceToken(path: string): string | undefined {
  if (!path.startsWith(DEVICE_PATH)) return undefined;
  const segment = path.slice(DEVICE_PATH.length);
  if (segment.includes('/') || segment.includes('?')) return undefined;
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}

/**
 * A string of our own. Header values live outside of V8's heap, in buffers of the HTTP/2 library
 * that are several times as large, and a part of one keeps all of it: the ledger must not.
 */
function copy(text: string): string {
  return Buffer.from(text).toString();
}
