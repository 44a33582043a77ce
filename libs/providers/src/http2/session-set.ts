import type { Connection } from './exchange.js';
import type { Session } from './session.js';

/** The sessions of one pool, whatever their state, and which of them has room. */
export class SessionSet {
  private readonly all = new Set<Session>();

  add(session: Session): void {
    this.all.add(session);
  }

  delete(session: Session): void {
    this.all.delete(session);
  }

  get size(): number {
    return this.all.size;
  }

  get isConnecting(): boolean {
    for (const session of this.all) if (session.isConnecting) return true;
    return false;
  }

  /** Draining sessions do not count: they end within a deadline and their successor is needed. */
  get live(): number {
    let live = 0;
    for (const session of this.all) if (session.isOpen || session.isConnecting) live += 1;
    return live;
  }

  /** The session with most room other than `avoid`, and `avoid` itself when it has room. */
  withRoom(avoid: Connection | undefined): {
    best: Session | undefined;
    avoided: Session | undefined;
  } {
    let best: Session | undefined;
    let avoided: Session | undefined;
    let most = 0;
    for (const session of this.all) {
      const { free } = session;
      if (free <= 0) continue;
      if (session === avoid) avoided = session;
      else if (free > most) [best, most] = [session, free];
    }
    return { best, avoided };
  }

  /** Whether all that are open have shown that they are full; `avoid` counts as full. */
  areFull(avoid: Connection | undefined): boolean {
    for (const session of this.all) {
      if (!session.isOpen || session === avoid) continue;
      // Until the peer has answered on this one, a second would only ask the same question.
      if (session.free > 0 || !session.isTrusted) return false;
    }
    return true;
  }

  tick(now: number): void {
    for (const session of this.all) session.tick(now);
  }

  destroy(why: string): void {
    for (const session of this.all) session.destroy(why);
  }

  drain(): void {
    for (const session of this.all) session.drain();
  }
}
