import type { Provider } from '@app/providers';
import type { Logger } from '@app/platform';
import type { Admission } from './admission.js';
import type { DeadTokens } from './dead-tokens.js';
import type { Settlements } from './settlements.js';

/** What ends with a worker, in the order in which it ends. */
export interface WorkerParts {
  /** Each takes no more work and resolves when it has none in hand: consumers, timers, listeners. */
  takers: readonly (() => Promise<void>)[];
  settlements: Pick<Settlements, 'drain'>;
  admission: Pick<Admission, 'drain'>;
  deadTokens: Pick<DeadTokens, 'stop'>;
  providers: readonly Pick<Provider<never>, 'giveUp' | 'close'>[];
  /** Of the connections that all of them need. */
  close: () => Promise<void>;
}

/** What is given up must be written down before the process is ended: so much of the grace period at most. */
const LAST_WORDS_MS = 5_000;

/** Milliseconds after SIGTERM: what its provider has not answered by then is settled as unknown. */
const giveUpAfterMs = (graceMs: number) => graceMs - Math.min(graceMs / 2, LAST_WORDS_MS);

/**
 * Takes no more work, finishes what is in hand, commits it and closes everything.
 *
 * @param graceMs after that the process is killed.
 */
export async function stopWorker(
  { takers, settlements, admission, deadTokens, providers, close }: WorkerParts,
  graceMs: number,
  logger: Pick<Logger, 'warn'>,
): Promise<void> {
  const givingUp = setTimeout(() => {
    logger.warn('Giving up what has no answer yet, the grace period ends');
    for (const provider of providers) provider.giveUp();
  }, giveUpAfterMs(graceMs));
  // At once: what is in hand may take a while to end, and nothing may join it meanwhile.
  await Promise.all(takers.map((stop) => stop()));
  await settlements.drain();
  // What was committed last may have said that a credential works again.
  await admission.drain();
  await deadTokens.stop();
  await Promise.all(providers.map((provider) => provider.close()));
  clearTimeout(givingUp);
  await close();
}
