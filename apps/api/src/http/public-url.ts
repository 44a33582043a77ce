/** Builds the absolute URLs of answers. */
export class PublicUrl {
  /** @param base without a trailing slash; asked each time, since a free port is known late. */
  constructor(private readonly base: () => string) {}

  /** @param path below `/v1/PushNotifications`. */
  of(path: string): string {
    return `${this.base()}/v1/PushNotifications/${path}`;
  }
}
