/** What a device token can ask of the simulator. */
export const behaviours = [
  'ok',
  'unregistered',
  'expired',
  'stale',
  'badtoken',
  'mismatch',
  'thirdparty',
  'throttle',
  'quota',
  'unavailable',
  'internal',
  'expiredjwt',
  'slow',
  'timeout',
  'reset',
  'refuse',
  'goaway',
  'answer',
] as const;

export type BehaviourName = (typeof behaviours)[number];

export interface Rule {
  behaviour: BehaviourName;
  /** How often it is done to one token before that token becomes `ok`. */
  times: number;
  /** Seconds of a `Retry-After` header. */
  retryAfter?: number;
  /** It is said as an HTTP date, not as seconds. */
  retryAfterAsDate?: true;
  /** `slow`: milliseconds until the answer. */
  delayMs?: number;
  /** `stale`: how many seconds ago the device went away. */
  ageSeconds?: number;
  /** `reset`: which RST_STREAM. */
  resetCode?: ResetCode;
  /** `answer`: what to say. */
  status?: number;
  reason?: string;
}

export type ResetCode = 'cancel' | 'internal' | 'protocol';

const OK: Rule = Object.freeze({ behaviour: 'ok', times: Infinity });

/** Passing troubles: done once to a token when it does not say how often. */
const oncePerToken: ReadonlySet<BehaviourName> = new Set([
  'throttle',
  'quota',
  'unavailable',
  'internal',
  'expiredjwt',
  'refuse',
  'goaway',
]);

const names: ReadonlySet<string> = new Set(behaviours);

function isBehaviour(name: string | undefined): name is BehaviourName {
  return name !== undefined && names.has(name);
}

/**
 * Reads `sim.<behaviour>[.<argument>…][.<anything>]` (docs/simulator.md has the list).
 *
 * Plain numbers are arguments only where a behaviour has a place for them, so that
 * `sim.unregistered.17` is simply the 17th such token. `x<n>` (do it n times), `r<s>`
 * (`Retry-After`, seconds) and `d<s>` (the same as an HTTP date) may follow the arguments of any
 * behaviour.
 *
 * @returns the rule; `ok` for every token that is not one of ours. Never throws.
 */
export function parseToken(token: string): Rule {
  if (!token.startsWith('sim.')) return OK;
  const parts = token.split('.');
  const behaviour = parts[1];
  if (!isBehaviour(behaviour)) return OK;
  if (behaviour === 'ok') return OK;

  const rule: Rule = { behaviour, times: oncePerToken.has(behaviour) ? 1 : Infinity };
  let next = 2;
  const number = (): number | undefined => {
    const value = wholeNumber(parts[next], 0);
    if (value !== undefined) next += 1;
    return value;
  };

  switch (behaviour) {
    case 'unavailable':
    case 'internal':
      rule.times = number() ?? rule.times;
      break;
    case 'throttle':
      rule.retryAfter = number() ?? 1;
      rule.times = number() ?? rule.times;
      break;
    case 'slow':
      rule.delayMs = number() ?? 1_000;
      break;
    case 'stale':
      rule.ageSeconds = number() ?? 86_400;
      break;
    case 'answer':
      rule.status = Math.min(Math.max(number() ?? 500, 200), 599);
      rule.reason = parts[next++] ?? 'Unknown';
      break;
    case 'reset':
      rule.resetCode = resetCode(parts[next]);
      if (rule.resetCode === undefined) rule.resetCode = 'cancel';
      else next += 1;
      break;
    case 'unregistered':
    case 'expired':
    case 'badtoken':
    case 'mismatch':
    case 'thirdparty':
    case 'quota':
    case 'expiredjwt':
    case 'timeout':
    case 'refuse':
    case 'goaway':
      break;
    default:
      behaviour satisfies never;
  }

  for (; next < parts.length; next += 1) {
    const part = parts[next];
    if (part?.startsWith('x')) rule.times = wholeNumber(part, 1) ?? rule.times;
    else if (part?.startsWith('r')) rule.retryAfter = wholeNumber(part, 1) ?? rule.retryAfter;
    else if (part?.startsWith('d') && wholeNumber(part, 1) !== undefined) {
      rule.retryAfter = wholeNumber(part, 1);
      rule.retryAfterAsDate = true;
    } else break;
  }
  return rule;
}

/**
 * The headers that ask for patience; a date is never earlier than the seconds would be.
 *
 * @param now milliseconds since the epoch
 */
export function retryAfterOf(rule: Rule, now: number): Record<string, string> {
  const { retryAfter, retryAfterAsDate } = rule;
  if (retryAfter === undefined) return {};
  if (retryAfterAsDate === undefined) return { 'retry-after': String(retryAfter) };
  return { 'retry-after': new Date(Math.ceil(now / 1_000 + retryAfter) * 1_000).toUTCString() };
}

function resetCode(text: string | undefined): ResetCode | undefined {
  return text === 'cancel' || text === 'internal' || text === 'protocol' ? text : undefined;
}

/** At most nine digits: what is longer is somebody's id, not a number of ours. */
function wholeNumber(text: string | undefined, from: number): number | undefined {
  if (text === undefined || text.length === from || text.length - from > 9) return undefined;
  for (let i = from; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return undefined;
  }
  return Number(text.slice(from));
}
