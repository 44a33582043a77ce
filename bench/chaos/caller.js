/**
 * A product backend: sends the load, writes down what was answered 202, repeats what was not answered under its
 * Idempotency-Key, cancels some, and looks now and then whether counters add up.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Sentence } from '../../scripts/sentence.js';
import { TypeID } from 'typeid-js';
import { bodyOf, tokensOf } from './load.js';
import { seeded } from './random.js';

/** @import { Json } from '../../scripts/types.js' */
/** @import { AcceptedRequest, Device, House, PlannedRequest } from './types.js' */

/** Less than an api may be frozen: what it commits after that is found by its key. */
const REQUEST_MS = 3_000;
const REPEAT_MS = 400;
const LOOK_MS = 250;

/** Code of the 400: a frozen api, or a repetition, came later than the request wanted to be sent. */
const SCHEDULE_PAST = 70_002;

const PUSHES = '/v1/PushNotifications';
const REGISTRATIONS = `${PUSHES}/DeviceRegistrations`;

/** @param {Pick<House, 'url' | 'account'>} house @param {number} seed */
export function caller(house, seed) {
  const random = seeded(seed, 'caller');
  const authorization = `Basic ${Buffer.from(`${house.account.sid}:${house.account.token}`).toString('base64')}`;
  /** @type {AcceptedRequest[]} */
  const accepted = [];
  /** Answered 400: their time had passed when the api came to them. @type {string[][]} */
  const refused = [];
  /** @type {string[]} */
  const wrongCounters = [];
  /** Requests under way or waiting for their repetition. */
  const open = new Map(/** @type {[string, PlannedRequest][]} */ ([]));
  const cancels = new Set(/** @type {Promise<void>[]} */ ([]));
  /** Tokens of devices that a user has. @type {string[]} */
  const registered = [];
  const counts = { requests: 0, unanswered: 0, replayed: 0, cancels: 0, users: 0 };
  let giveUp = false;

  /**
   * @param {string} method @param {string} path @param {string} [body] @param {Record<string, string>} [headers]
   * @returns {Promise<{ status: number, headers: Headers, body: Json } | undefined>} nothing: no answer
   */
  const call = async (method, path, body, headers) => {
    try {
      const answer = await fetch(house.url + path, {
        method,
        headers: {
          authorization,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      const text = await answer.text();
      return {
        status: answer.status,
        headers: answer.headers,
        body: text === '' ? undefined : JSON.parse(text),
      };
    } catch {
      return undefined; // refused, broken off, too late: what became of it is not known
    }
  };

  /**
   * Repeats what may be repeated until it is answered.
   * @param {string} method @param {string} path @param {object} [body]
   * @returns {Promise<Json | undefined>} undefined: given up
   * @throws {Sentence} when it is refused
   */
  const insist = async (method, path, body) => {
    while (!giveUp) {
      const answer = await call(method, path, body && JSON.stringify(body));
      if (answer !== undefined && answer.status < 300) return answer.body;
      if (answer !== undefined && answer.status < 500 && answer.status !== 429)
        throw new Sentence(
          `${method} ${path} was answered ${answer.status}: ${JSON.stringify(answer.body)}`,
        );
      await sleep(REPEAT_MS);
    }
  };

  /**
   * Registers the devices of a user: the same token again makes no second one.
   * @param {string} appName @param {Device[]} devices
   * @returns {Promise<string>} the user's id
   */
  const register = async (appName, [first, ...others]) => {
    const made = await insist('POST', REGISTRATIONS, { appName, ...first });
    const registration = await insist('GET', `${REGISTRATIONS}/${made?.resourceId}`);
    const userId = registration?.userId;
    for (const device of others)
      await insist('POST', REGISTRATIONS, { appName, ...device, userId });
    return userId;
  };

  /** @param {PlannedRequest} request @returns {Promise<string[]>} the ids of its users */
  const usersOf = async ({ app, users, strangers }) => {
    const ids = await Promise.all(users.map((devices) => register(app, devices)));
    registered.push(...users.flat().map(({ token }) => token));
    const unknown = Array.from({ length: strangers }, () => new TypeID('comms_user').toString());
    return [...ids, ...unknown];
  };

  /** Until somebody says what became of it. @param {PlannedRequest} request */
  const send = async (request) => {
    const userIds = await usersOf(request);
    // Nobody answered any more: then it is not sent.
    if (giveUp) return undefined;
    const message = bodyOf(request, userIds);
    const sendAt = message.schedule?.sendAt;
    const body = JSON.stringify(message);
    const tokens = tokensOf(request);
    const { app, strangers, ttlSeconds } = request;
    open.set(request.key, request);
    counts.requests += 1;
    if (request.users.length > 0) counts.users += 1;
    for (let attempt = 1; !giveUp; attempt++) {
      const answer = await call('POST', PUSHES, body, { 'idempotency-key': request.key });
      if (answer?.status === 202) {
        if (answer.headers.get('idempotent-replayed') === 'true') counts.replayed += 1;
        const { operationId } = answer.body;
        /** @type {AcceptedRequest} */
        const known = {
          key: request.key,
          operationId,
          tokens,
          app,
          strangers,
          ttlSeconds,
          canceled: 'none',
          canceledAtMs: null,
          sendAtMs: sendAt === undefined ? null : Date.parse(sendAt),
        };
        accepted.push(known);
        open.delete(request.key);
        return known;
      }
      if (answer?.body?.code === SCHEDULE_PAST) {
        refused.push(tokens);
        open.delete(request.key);
        return undefined;
      }
      if (answer !== undefined && answer.status < 500 && answer.status !== 429)
        throw new Sentence(
          `A request was answered ${answer.status}: ${JSON.stringify(answer.body).slice(0, 500)}`,
        );
      if (attempt === 1) counts.unanswered += 1;
      await sleep(REPEAT_MS);
    }
  };

  /** @param {AcceptedRequest} request @param {PlannedRequest['cancel']} which */
  const cancel = async (request, which) => {
    const { operationId } = request;
    let path = `${PUSHES}/Operations/${operationId}`;
    if (which === 'one') {
      const page = await call('GET', `${PUSHES}?pageSize=1&operationId=${operationId}`);
      const [push] = page?.body?.pushNotifications ?? [];
      if (push === undefined) return;
      path = `${PUSHES}/${push.id}`;
    }
    request.canceled = which;
    // Not answered, or too late for it: both happen, and the pushes tell which.
    const answer = await call('DELETE', path);
    if (answer !== undefined && answer.status < 300) request.canceledAtMs = Date.now();
    counts.cancels += 1;
  };

  /** @param {PlannedRequest} request */
  const sendAndCancel = async (request) => {
    const known = await send(request);
    if (known === undefined || request.cancelAfterMs === undefined) return;
    await sleep(request.cancelAfterMs);
    await cancel(known, request.cancel);
  };

  /** `total` is the sum of its parts at every instant. */
  const look = async () => {
    if (accepted.length === 0) return;
    const { operationId } = random.pick(accepted);
    const answer = await call('GET', `${PUSHES}/Operations/${operationId}`);
    if (answer === undefined || answer.status >= 500 || answer.status === 429) return;
    const { total, unaddressable, scheduled, queued, sent, failed, canceled } =
      answer.body.stats ?? {};
    if (total !== unaddressable + scheduled + queued + sent + failed + canceled)
      wrongCounters.push(
        `${operationId} was answered ${answer.status} with ${JSON.stringify(answer.body.stats)}`,
      );
  };

  return {
    accepted,
    refused,
    registered,
    wrongCounters,
    counts,
    /**
     * Sends until `untilMs` have passed, whatever the answers.
     * @param {Iterable<PlannedRequest>} plan @param {number} untilMs
     */
    async run(plan, untilMs) {
      const begun = performance.now();
      /** @type {unknown} */
      let fault;
      let atMs = 0;
      let isOver = false;
      const looking = (async () => {
        while (!isOver) {
          await look();
          await sleep(LOOK_MS);
        }
      })();
      for (const request of plan) {
        atMs += request.gapMs;
        if (atMs >= untilMs || fault !== undefined) break;
        await sleep(Math.max(0, atMs - (performance.now() - begun)));
        const sending = sendAndCancel(request)
          .catch((error) => void (fault ??= error))
          .finally(() => cancels.delete(sending));
        cancels.add(sending);
      }
      isOver = true;
      await looking;
      if (fault !== undefined) throw fault;
    },
    /**
     * Waits until every request is answered and every cancel done.
     * @param {number} withinMs @returns {Promise<string[][]>} tokens of requests that nobody answered
     */
    async resolve(withinMs) {
      const timer = setTimeout(() => (giveUp = true), withinMs);
      while (cancels.size > 0) await Promise.all(cancels);
      clearTimeout(timer);
      return [...open.values()].map(tokensOf);
    },
  };
}
