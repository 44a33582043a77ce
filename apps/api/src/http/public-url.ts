/** Builds the absolute URLs of answers. */
export class PublicUrl {
  /** @param base without a trailing slash; absent: http://localhost and the port that is taken. */
  constructor(private base: string | undefined) {}

  /** Kept, since a server that is stopping has no address any more but still has answers to give. */
  listensOn(port: number): void {
    this.base ??= `http://localhost:${port}`;
  }

  /** @param path below `/v1/PushNotifications`. */
  of(path: string): string {
    return this.underVersion(`PushNotifications/${path}`);
  }

  /** @param path below `/v1`. */
  underVersion(path: string): string {
    if (this.base === undefined) throw new Error('Nobody said which port is listened on.');
    return `${this.base}/v1/${path}`;
  }
}
