/** The requests of a run: sizes from 1 to 5,000, every behaviour of the simulator, later sends, cancels. */
import { seeded } from './random.js';

/** @import { ChaosOptions, Device, PlannedRequest, Random } from './types.js' */

export const LARGEST = 5_000;

/** Sizes of requests, and how many of a hundred have them. @type {[from: number, to: number, share: number][]} */
const SIZES = [
  [1, 1, 60],
  [2, 20, 20],
  [21, 200, 14],
  [201, 1_000, 5],
  [1_001, LARGEST, 1],
];

const MEAN_SIZE =
  SIZES.reduce((sum, [from, to, share]) => sum + ((from + to) / 2) * share, 0) / 100;

/**
 * What most devices are: fine, slow, gone, wrong, or in trouble that passes; how many of a hundred. `x1`: the
 * first time only; `r1`: with a Retry-After of one second.
 * @type {[behaviour: string, share: number][]}
 */
const CALM = [
  ['ok', 80],
  ['slow.100', 4],
  ['slow.900', 1],
  ['unregistered', 3],
  ['expired', 1],
  ['stale.60', 1],
  ['badtoken', 2],
  ['mismatch', 1],
  ['thirdparty', 1],
  ['refuse', 1],
  ['goaway', 1],
  ['reset.x1', 1],
  ['timeout.x1', 1],
  ['answer.200.html.x1', 1],
];

/** What holds up a whole credential (a quota that three devices hit is the project's), or breaks sessions: in an App of its own, as another customer's. @type {[behaviour: string, share: number][]} */
const ROUGH = [
  ['ok', 80],
  ['unavailable.1.r1', 3],
  ['quota.r1', 1],
  ['throttle.1.1', 2],
  ['reset.internal.x1', 3],
  ['reset.protocol.x1', 3],
  ['timeout', 2],
  ['reset', 2],
  ['goaway', 3],
];

/** One answer of that kind makes all of its credential wait: many of them would never be done. */
const LARGEST_ROUGH = 20;

/**
 * Trouble that lasts by the provider's rules (docs/providers.md): how many seconds at most on FCM and on APNs. Sent
 * while there is time for it.
 * @type {[behaviour: string, share: number, fcmSeconds: number, apnSeconds: number][]}
 */
const LINGERING = [
  ['ok', 80, 0, 0],
  ['unavailable.1', 4, 20, 60],
  ['expiredjwt', 4, 5, 5],
  ['internal.1', 7, 20, 60],
  ['internal.2', 5, 50, 150],
];

/** So much longer than its load a run may last for them: the short ones come in short runs too. */
const LINGERS_SECONDS = 25;

/** APNs makes the first wait for a minute whatever it is asked, and means by a 200 that it has the push. */
const ONLY_ON_FCM = ['quota.r1', 'answer.200.html.x1'];

/** Three kinds of customers; of the calm ones, one uses Apple's sandbox and one a certificate. */
export const APPS = /** @type {const} */ (['calm', 'sandbox', 'certificate', 'rough', 'lingering']);

/** Of five calm requests; a production token is what most customers have. */
const CALM_APPS = /** @type {const} */ (['calm', 'calm', 'calm', 'sandbox', 'certificate']);

/** Requests of at most so many recipients may be to users, who register before. */
const LARGEST_TO_USERS = 20;

/**
 * Requests without end; equal options give equal ones.
 * @param {Pick<ChaosOptions, 'seed' | 'rate' | 'seconds'>} options
 * @returns {Generator<PlannedRequest, never>}
 */
export function* planLoad({ seed, rate, seconds }) {
  const random = seeded(seed, 'load');
  const sizeClass = random.bag(
    weighted(SIZES.map((size) => /** @type {const} */ ([size, size[2]]))),
  );
  const [calm, rough] = [weighted(CALM), weighted(ROUGH)];
  const meanGapMs = (MEAN_SIZE / rate) * 1_000;
  let atMs = 0;
  for (let number = 0; ; number++) {
    const gapMs = number === 0 ? 0 : random.gap(meanGapMs);
    atMs += gapMs;
    const secondsLeft = Math.max(seconds - atMs / 1_000, 0) + LINGERS_SECONDS;
    const [from, to] = sizeClass();
    // The largest one comes in every run, however short.
    const size = number === 1 ? LARGEST : random.int(from, to);
    const isRough = size <= LARGEST_ROUGH && random.next() < 0.3;
    const app = !isRough ? random.pick(CALM_APPS) : random.next() < 0.3 ? 'lingering' : 'rough';
    const all = Array.from({ length: size }, (_, at) =>
      app === 'lingering'
        ? lingering(random, secondsLeft, `${seed}-${number}-${at}`)
        : recipient(random, app === 'rough' ? rough : calm, `${seed}-${number}-${at}`),
    );
    const toUsers = size <= LARGEST_TO_USERS && random.next() < 0.2;
    const users = toUsers ? grouped(random, all) : [];
    const inSeconds = random.next() < 0.15 ? random.int(1, 6) : 0;
    yield {
      gapMs,
      key: `chaos-${seed}-${number}`,
      app,
      recipients: toUsers ? [] : all,
      users,
      strangers: toUsers && random.next() < 0.2 ? 1 : 0,
      inSeconds,
      ttlSeconds: random.next() < 0.03 ? 0 : undefined,
      dataOnly: random.next() < 0.1,
      cancelAfterMs:
        random.next() < (inSeconds > 0 ? 0.4 : 0.08) ? random.int(0, 2_500) : undefined,
      cancel: size === LARGEST || random.next() < 0.3 ? 'one' : 'all',
    };
  }
}

/**
 * A token that no other recipient has.
 * @param {Random} random @param {string[]} behaviours @param {string} name
 * @returns {Device}
 */
function recipient(random, behaviours, name) {
  const provider = random.next() < 0.5 ? 'FCM' : 'APN';
  const drawn = random.pick(behaviours);
  const behaviour = provider === 'APN' && ONLY_ON_FCM.includes(drawn) ? 'ok' : drawn;
  return { provider, token: `sim.${behaviour}.c${name}` };
}

/**
 * What lingers no longer than there is time for.
 * @param {Random} random @param {number} secondsLeft @param {string} name
 * @returns {Device}
 */
function lingering(random, secondsLeft, name) {
  const provider = random.next() < 0.5 ? 'FCM' : 'APN';
  const drawn = random.pick(LINGERS);
  const [behaviour, , onFcm, onApn] = drawn;
  const fits = (provider === 'FCM' ? onFcm : onApn) <= secondsLeft;
  return { provider, token: `sim.${fits ? behaviour : 'ok'}.c${name}` };
}

/**
 * The same devices, as those of users who have one to three each.
 * @param {Random} random @param {Device[]} devices @returns {Device[][]}
 */
function grouped(random, devices) {
  const users = [];
  for (let at = 0; at < devices.length;) {
    const count = random.int(1, 3);
    users.push(devices.slice(at, at + count));
    at += count;
  }
  return users;
}

/** @param {Pick<PlannedRequest, 'recipients' | 'users'>} request @returns {string[]} a token a push, in the order of `to` */
export const tokensOf = ({ recipients, users }) =>
  [...users.flat(), ...recipients].map(({ token }) => token);

/** @template T @param {readonly (readonly [T, number])[]} shares of a hundred @returns {T[]} */
const weighted = (shares) =>
  shares.flatMap(([value, share]) => new Array(Math.round(share * 2)).fill(value));

const LINGERS = weighted(LINGERING.map((row) => /** @type {const} */ ([row, row[1]])));

/**
 * The body of a request; it is made once, for a repetition must be equal.
 * @param {PlannedRequest} request @param {string[]} [userIds] of its users and strangers
 * @returns {{ from: object, to: object[], content: object, ttlSeconds?: number, schedule?: { sendAt: string } }}
 */
export function bodyOf({ app, recipients, inSeconds, ttlSeconds, dataOnly }, userIds = []) {
  const data = { kind: 'chaos', name: '{{ name }}' };
  return {
    from: { appName: app },
    to: [...userIds.map((userId) => ({ userId })), ...recipients].map((each, at) => ({
      ...each,
      variables: { name: `Ada ${at}` },
    })),
    content: dataOnly ? { data } : { title: 'Hello {{ name }}', body: 'This is chaos.', data },
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    ...(inSeconds === 0
      ? {}
      : { schedule: { sendAt: new Date(Date.now() + inSeconds * 1_000).toISOString() } }),
  };
}
