import { describe, expect, it } from '@jest/globals';
import { FlightLimit } from './flight-limit.js';

/** Takes one place each time it is told, as long as it wants more, and waits again for the next. */
class Busy {
  got = 0;

  constructor(
    private readonly limit: FlightLimit,
    private wants: number,
  ) {}

  onRoom(): void {
    while (this.wants > 0) {
      if (!this.limit.hasRoom) {
        this.limit.wait(this);
        return;
      }
      this.limit.take();
      this.wants -= 1;
      this.got += 1;
    }
  }
}

describe('FlightLimit', () => {
  it('has no end when none is given', () => {
    const limit = new FlightLimit();
    for (let i = 0; i < 100_000; i += 1) limit.take();
    expect(limit.hasRoom).toBe(true);
  });

  it('gives room to those who wait in turn, one busy one does not keep it', () => {
    const limit = new FlightLimit(1);
    limit.take();
    const greedy = new Busy(limit, 10);
    const modest = new Busy(limit, 2);
    greedy.onRoom();
    modest.onRoom();
    for (let i = 0; i < 4; i += 1) limit.release();
    expect([greedy.got, modest.got]).toEqual([2, 2]);
    expect(limit.stats).toEqual({ inFlight: 1, waiters: 1 });
  });

  it('passes room on that the first in line has no use for', () => {
    const limit = new FlightLimit(1);
    limit.take();
    const gone = { onRoom: () => {} };
    const other = new Busy(limit, 1);
    limit.wait(gone);
    limit.wait(other);
    limit.release();
    expect(other.got).toBe(1);
  });

  it('tells nobody who has left', () => {
    const limit = new FlightLimit(1);
    limit.take();
    const busy = new Busy(limit, 1);
    limit.wait(busy);
    limit.leave(busy);
    limit.release();
    expect(busy.got).toBe(0);
    expect(limit.stats).toEqual({ inFlight: 0, waiters: 0 });
  });
});
