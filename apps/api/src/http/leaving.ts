/**
 * That this process stops soon. Whoever routes callers here has to hear of it first: until it closes it is not ready,
 * asks each caller to come back by another connection, and serves whatever still comes.
 */
export class Leaving {
  private begun = false;

  get hasBegun(): boolean {
    return this.begun;
  }

  begin(): void {
    this.begun = true;
  }
}
