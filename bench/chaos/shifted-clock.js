/**
 * Loaded before a worker (NODE_OPTIONS=--import): moves its wall clock, as a wrong clock on one machine would.
 * The file named by SHIFTED_CLOCK_FILE holds the milliseconds; it is read at the start and at every SIGUSR2.
 * Timers and `performance` stay as they are: they do not follow the wall clock.
 */
import { readFileSync } from 'node:fs';

const file = process.env.SHIFTED_CLOCK_FILE;
const RealDate = Date;
let shiftMs = 0;

const read = () => {
  if (file !== undefined) shiftMs = Number(readFileSync(file, 'utf8'));
};

const now = () => RealDate.now() + shiftMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new RealDate(now()).toString(),
  get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
});

read();
process.on('SIGUSR2', read);
