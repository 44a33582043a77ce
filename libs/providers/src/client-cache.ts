import { LRUCache } from 'lru-cache';

/** What the cache needs to know of a provider's client. */
export interface Client {
  /** Ends its connections now, whatever is on them. */
  giveUp(): void;
  /** Ends its connections once its requests have settled; resolves when no socket is left. */
  close(): Promise<void>;
}

interface Entry<C> {
  client: C;
  users: number;
  evicted: boolean;
}

/**
 * The clients of one adapter by credential id, version and environment. The least recently used one
 * is evicted when there are too many; a client that somebody is using is closed by its last user.
 */
export class ClientCache<C extends Client> {
  private readonly entries: LRUCache<string, Entry<C>>;
  /** All that are not closed, those that were evicted while somebody used them too. */
  private readonly clients = new Set<C>();
  private readonly closings = new Set<Promise<void>>();
  private closed = false;
  private givenUp = false;

  constructor(max = 200) {
    this.entries = new LRUCache({ max, dispose: (entry) => this.evict(entry) });
  }

  /** Runs `use` with the client of `key`, made by `make` if there is none. */
  use<T>(key: string, make: () => C, use: (client: C) => Promise<T>): Promise<T> {
    const entry = this.entryOf(key, make);
    entry.users += 1;
    // No function that awaits: it would be one more promise and frame for each request under way.
    const using = use(entry.client);
    const leave = () => {
      entry.users -= 1;
      if (entry.evicted && entry.users === 0) this.close(entry);
    };
    using.then(leave, leave);
    return using;
  }

  private entryOf(key: string, make: () => C): Entry<C> {
    let entry = this.entries.get(key);
    if (entry === undefined) {
      entry = { client: make(), users: 0, evicted: false };
      this.clients.add(entry.client);
      if (this.givenUp) entry.client.giveUp();
      if (this.closed) this.evict(entry);
      else this.entries.set(key, entry);
    }
    return entry;
  }

  /** Clients that are open; evicted ones that still drain are not among them. */
  get size(): number {
    return this.entries.size;
  }

  /** Gives up what every client has under way, those too that are made later. */
  giveUp(): void {
    this.givenUp = true;
    for (const client of this.clients) client.giveUp();
  }

  /** Closes every client, also those in use: they refuse new work and finish what is under way. */
  async closeAll(): Promise<void> {
    this.closed = true;
    const clients = [...this.entries.values()].map(({ client }) => client.close());
    this.entries.clear();
    await Promise.all(clients);
    while (this.closings.size > 0) await Promise.all(this.closings);
  }

  private evict(entry: Entry<C>): void {
    entry.evicted = true;
    if (entry.users === 0) this.close(entry);
  }

  private close(entry: Entry<C>): void {
    const closing = entry.client.close().finally(() => {
      this.closings.delete(closing);
      this.clients.delete(entry.client);
    });
    this.closings.add(closing);
  }
}
