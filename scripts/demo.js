/**
 * `npm run demo`: the main job from start to end on this machine. Everything that it starts is stopped and its
 * data, in a fresh temp folder, is removed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { exitCodeOf } from './child.js';
import { apiClient, storeCredential } from './client.js';
import { startPostgres } from './embedded-postgres.js';
import { startGateway } from './gateway.js';
import { createProgress } from './progress.js';
import { startRedis } from './redis.js';
import { stopEverything, stopOnInterrupt } from './running.js';
import { messageOf, print, seconds, Sentence, step } from './sentence.js';

/** @import { ApiClient, Gateway, Json } from './types.js' */

const APP = 'demo';
const NAMES = ['Ada', 'Grace', 'Edsger', 'Barbara', 'Alan', 'Frances', 'Donald', 'Radia'];
const BY_CERTIFICATE = 10;
/** The demo gives up when nothing moved for so long. */
const STUCK_MS = 60_000;

/** @param {string[]} args @returns {Promise<number>} exit code */
export async function main(args) {
  const { redis, json, recipients } = options(args);
  const interrupt = stopOnInterrupt({
    exitCode: exitCodeOf('SIGINT'),
    sentence: 'Demo interrupted: stopping everything it started.',
  });
  const dir = mkdtempSync(join(tmpdir(), 'fanfare-demo-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  try {
    const outcome = await demo({ dir, redis, recipients });
    await step('Stop everything', stopEverything);
    if (json) print(JSON.stringify(outcome));
    return 0;
  } catch (error) {
    if (interrupt.isInterrupted()) return await new Promise(() => {}); // the interrupt ends the process
    await stopEverything();
    throw error instanceof TypeError
      ? new Sentence(`The demo failed: ${messageOf(error)}`, { cause: error })
      : error;
  }
}

/** @param {string[]} args */
function options(args) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        redis: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        recipients: { type: 'string', default: '1000' },
      },
    });
    const recipients = Number(values.recipients);
    if (!Number.isInteger(recipients) || recipients < 1 || recipients > 10_000)
      throw new Sentence('--recipients takes a whole number from 1 to 10000.');
    return { redis: values.redis, json: values.json, recipients };
  } catch (error) {
    throw error instanceof Sentence
      ? error
      : new Sentence(`${messageOf(error)}. Known: --redis --json --recipients N`);
  }
}

/** @param {{ dir: string, redis: boolean, recipients: number }} options */
async function demo({ dir, redis, recipients }) {
  const queue = redis ? await step('Start Redis', () => startRedis()) : undefined;
  const database = await step('Start PostgreSQL', () => startPostgres({ log: print }));
  const gateway = await startGateway({
    dir,
    database,
    step,
    simulator: true,
    ...(queue === undefined ? {} : { redisUrl: queue.url }),
  });
  const died = Promise.race(
    [gateway.api, gateway.worker].map(async (running) => {
      await running.exited;
      throw new Sentence(
        `The ${running.name} stopped in mid-run. Its last words:\n${running.tail()}`,
      );
    }),
  );
  died.catch(() => {}); // also when everything is stopped in good order
  return Promise.race([deliver(gateway, recipients, redis ? 'redis' : 'postgres'), died]);
}

/** @param {Gateway} gateway @param {number} recipients @param {'postgres' | 'redis'} queue */
async function deliver(gateway, recipients, queue) {
  const api = apiClient(gateway.url, gateway.account);
  const control = gateway.simulator?.ready.controlOrigin ?? '';
  const [fcm, byKey, byCertificate] = await step('Store one FCM and two APNs credentials', () =>
    storeCredentials(api, control),
  );
  const content = {
    title: 'Hello {{ name | default: "there" }}',
    body: 'Your order {{ order }} is on its way.',
    data: { order: '{{ order }}' },
  };
  const begun = performance.now();
  const sends = await step(`Send to ${recipients} and to ${BY_CERTIFICATE} recipients`, () =>
    Promise.all([
      api.post('/v1/PushNotifications', {
        to: mixedRecipients(recipients),
        from: { fcm, apn: byKey },
        content,
      }),
      api.post('/v1/PushNotifications', {
        to: Array.from({ length: BY_CERTIFICATE }, (_, i) =>
          recipient(`sim.ok.certificate-${i}`, 'APN', i),
        ),
        from: { apn: byCertificate },
        content,
      }),
    ]),
  );
  /** @type {string[]} */
  const ids = sends.map(({ operationId }) => operationId);
  const operations = await settled(api, ids, recipients + BY_CERTIFICATE);
  const took = performance.now() - begun;
  print(`  ${'All settled'.padEnd(52)} ${seconds(took).padStart(8)}`);
  await report(api, control, operations);
  const sum = (/** @type {string} */ name) =>
    operations.reduce((total, { stats }) => total + Number(stats[name]), 0);
  const outcome = {
    operationId: ids[0],
    recipients: sum('recipients'),
    sent: sum('sent'),
    failed: sum('failed'),
    unaddressable: sum('unaddressable'),
    seconds: Number((took / 1000).toFixed(3)),
    queue,
    providers: 'simulator',
  };
  checkOutcome(outcome, recipients);
  return outcome;
}

/** @param {ApiClient} api @param {string} control @returns {Promise<string[]>} FCM, APNs by signing key, by certificate */
async function storeCredentials(api, control) {
  const ready = await (await fetch(`${control}/credentials`)).json();
  const ids = [];
  for (const [credentialType, content] of /** @type {const} */ ([
    ['FCM', ready.fcm],
    ['APN', ready.apnToken],
    ['APN', ready.apnCertificate],
  ])) {
    ids.push(await storeCredential(api, { appName: APP, credentialType, content }));
  }
  return ids;
}

/** @param {string} token @param {'FCM' | 'APN'} provider @param {number} index */
const recipient = (token, provider, index) => ({
  token,
  provider,
  variables: { name: NAMES[index % NAMES.length] ?? '', order: String(4711 + index) },
});

/**
 * One in 21 has a token that the provider refuses: of two kinds, and of both providers, for 21 is odd.
 * @param {number} index
 */
function behaviourOf(index) {
  if (index % 21 !== 20) return 'ok';
  return Math.floor(index / 42) % 2 === 0 ? 'unregistered' : 'badtoken';
}

/** @param {number} count */
const mixedRecipients = (count) =>
  Array.from({ length: count }, (_, index) =>
    recipient(`sim.${behaviourOf(index)}.phone-${index}`, index % 2 === 0 ? 'FCM' : 'APN', index),
  );

/** @param {number} count */
const refusedOf = (count) =>
  Array.from({ length: count }, (_, index) => behaviourOf(index)).filter((b) => b !== 'ok').length;

/**
 * Shows progress until every operation is done.
 * @param {ApiClient} api @param {string[]} ids @param {number} total
 * @returns {Promise<Json[]>} the operations
 */
async function settled(api, ids, total) {
  const progress = createProgress(process.stdout, total);
  let movedAt = Date.now();
  let last = -1;
  for (;;) {
    const operations = await Promise.all(
      ids.map((id) => api.get(`/v1/PushNotifications/Operations/${id}`)),
    );
    const done = operations.reduce(
      (sum, { stats }) => sum + stats.total - stats.queued - stats.scheduled,
      0,
    );
    progress.show(done);
    if (operations.every(({ status }) => status === 'COMPLETED')) {
      progress.end();
      return operations;
    }
    if (done !== last) movedAt = Date.now();
    last = done;
    if (Date.now() - movedAt > STUCK_MS)
      throw new Sentence(
        `Nothing moved for ${STUCK_MS / 1000} s: ${done} of ${total} pushes are settled.`,
      );
    await sleep(100);
  }
}

/** @param {ApiClient} api @param {string} control @param {Json[]} operations */
async function report(api, control, operations) {
  const [mixed, certificate] = operations;
  const failed = await listAll(api, `operationId=${mixed.id}&status=FAILED`);
  const fcm = await listAll(api, `operationId=${mixed.id}&provider=FCM`);
  const failedFcm = failed.filter(({ to }) => to.provider === 'FCM').length;
  const rows = [
    ['FCM', fcm.length, failedFcm],
    ['APNs, signing key', mixed.stats.total - fcm.length, failed.length - failedFcm],
    ['APNs, certificate', certificate.stats.total, certificate.stats.failed],
  ];
  print('');
  print(
    `  ${''.padEnd(22)}${['recipients', 'sent', 'failed'].map((word) => word.padStart(12)).join('')}`,
  );
  for (const [name, total, bad] of rows) {
    const numbers = [total, Number(total) - Number(bad), bad].map((value) =>
      String(value).padStart(12),
    );
    print(`  ${String(name).padEnd(22)}${numbers.join('')}`);
  }
  const why = Map.groupBy(failed, (/** @type {Json} */ push) => String(push.error?.message));
  for (const [message, pushes] of why)
    print(`  ${String(pushes.length).padStart(6)} failed: ${message}`);
  await showOne(control);
}

/** @param {ApiClient} api @param {string} query @returns {Promise<Json[]>} */
async function listAll(api, query) {
  const all = [];
  for (let token = ''; ;) {
    const next = token === '' ? '' : `&pageToken=${encodeURIComponent(token)}`;
    const page = await api.get(`/v1/PushNotifications?pageSize=1000&${query}${next}`);
    all.push(...page.pushNotifications);
    if (page.pagination.next === null) return all;
    token = page.pagination.next;
  }
}

/** One push, read from the simulator's ledger: what went over the wire. @param {string} control */
async function showOne(control) {
  const { entries } = await (await fetch(`${control}/ledger?limit=200`)).json();
  const entry = entries.findLast(
    (/** @type {Json} */ each) => each.accepted && each.request && each.provider !== 'fcm',
  );
  if (entry === undefined) return;
  const { aps, ...data } = JSON.parse(entry.request.body);
  print('');
  print(
    `  One of them, as the phone got it (${entry.token}, apns-topic ${entry.request.headers['apns-topic']}):`,
  );
  print('');
  print(`    ${aps.alert.title}`);
  print(`    ${aps.alert.body}`);
  print(`    ${JSON.stringify(data)}`);
  print('');
}

/** The demo proves something: what the simulator accepts is sent, what it refuses has failed.
 * @param {{ recipients: number, sent: number, failed: number, unaddressable: number }} outcome @param {number} recipients
 */
function checkOutcome(outcome, recipients) {
  const refused = refusedOf(recipients);
  const sent = recipients + BY_CERTIFICATE - refused;
  if (outcome.sent !== sent || outcome.failed !== refused)
    throw new Sentence(
      `${outcome.sent} pushes were sent and ${outcome.failed} failed, but ${sent} and ${refused} were expected.`,
    );
}
