import { AsyncResource } from 'node:async_hooks';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import type { HeaderList } from './headers.js';

const OPTIONS = Object.freeze({ endStream: false });

/**
 * `session.request`, without what Node makes for each request and nobody reads.
 *
 * It binds a function to an `AsyncResource`, and a bound function has the deprecated property `asyncResource`
 * (DEP0172), with a getter and a setter of its own. V8 puts such a pair into its old space, and what lies there
 * keeps alive what it refers to until the next full collection: here the stream and all that hangs on it. So every
 * minor collection copies requests that ended long ago. Without the property a message costs a seventh less CPU
 * (docs/performance.md).
 *
 * `bind` is another one while `request` runs, and the scope stays bound. Who is told of the request meanwhile (a
 * subscriber of `http2.client.stream.created`, an `init` hook) may bind as well: it gets what Node's own does, but for
 * that property.
 *
 * @throws what `request` throws.
 */
export function openStream(session: ClientHttp2Session, headers: HeaderList): ClientHttp2Stream {
  const { prototype } = AsyncResource;
  // Not once for all: somebody who watches the process may have put an own one there meanwhile.
  const own = Object.getOwnPropertyDescriptor(prototype, 'bind')?.value as AsyncResource['bind'];
  prototype.bind = bindOnly as typeof own;
  try {
    return session.request(headers, OPTIONS);
  } finally {
    prototype.bind = own;
  }
}

function bindOnly(this: AsyncResource, fn: (...args: unknown[]) => unknown, thisArg?: unknown) {
  return within(this, fn, thisArg);
}

/** As of Node's `bind`: without `thisArg` it is the `this` of each call. */
function within(resource: AsyncResource, fn: (...args: unknown[]) => unknown, thisArg: unknown) {
  return function (this: unknown, ...args: unknown[]) {
    return resource.runInAsyncScope(fn, thisArg === undefined ? this : thisArg, ...args);
  };
}
