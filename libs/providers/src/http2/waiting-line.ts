import type { Flight } from './exchange.js';

/** Requests without a stream yet: those that were refused safely elsewhere first, then in order. */
export class WaitingLine {
  private refused: Flight[] = [];
  private waiting: Flight[] = [];
  /** Where the line begins: shifting a long array for each request would be quadratic. */
  private head = 0;

  get isEmpty(): boolean {
    return this.length === 0;
  }

  get length(): number {
    return this.ordinary + this.refused.length;
  }

  /** Without those that were refused: the part that may be too long. */
  get ordinary(): number {
    return this.waiting.length - this.head;
  }

  /** The refused one that goes next. */
  get firstRefused(): Flight | undefined {
    return this.refused[0];
  }

  push(flight: Flight): void {
    this.waiting.push(flight);
  }

  pushRefused(flight: Flight): void {
    this.refused.push(flight);
  }

  /**
   * Offers each in turn a place, until one of the ordinary ones finds none. `launch` may add to the
   * line, and may come back here.
   */
  offer<Place>(
    find: (flight: Flight) => Place | undefined,
    launch: (place: Place, flight: Flight) => void,
  ): void {
    if (this.refused.length > 0) {
      const again = this.refused;
      this.refused = [];
      for (const flight of again) {
        const place = find(flight);
        if (place === undefined) this.refused.push(flight);
        else launch(place, flight);
      }
    }
    for (let flight = this.first; flight !== undefined; flight = this.first) {
      const place = flight.done ? undefined : find(flight);
      if (place === undefined && !flight.done) break;
      // Out of the line first: a launch may come back here.
      this.head += 1;
      if (place !== undefined) launch(place, flight);
    }
    this.compact();
  }

  private get first(): Flight | undefined {
    return this.waiting[this.head];
  }

  /** Takes out those whose time to wait is over. */
  takeExpired(now: number): { refused: Flight[]; waiting: Flight[] } {
    const isOver = (flight: Flight) => !flight.done && now >= flight.waitUntil;
    const refused = this.refused.filter(isOver);
    if (refused.length > 0) this.refused = this.refused.filter((flight) => !isOver(flight));
    const waiting: Flight[] = [];
    for (let i = this.head; i < this.waiting.length; i += 1) {
      const flight = this.waiting[i] as Flight;
      if (isOver(flight)) waiting.push(flight);
    }
    return { refused, waiting };
  }

  takeAll(): Flight[] {
    const all = [...this.refused, ...this.waiting.slice(this.head)];
    this.refused = [];
    this.waiting = [];
    this.head = 0;
    return all.filter(({ done }) => !done);
  }

  private compact(): void {
    if (this.head === this.waiting.length) {
      this.waiting = [];
      this.head = 0;
    } else if (this.head > 1_024 && this.head * 2 > this.waiting.length) {
      this.waiting = this.waiting.slice(this.head);
      this.head = 0;
    }
  }
}
