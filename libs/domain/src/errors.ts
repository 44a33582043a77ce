/** One fault of a request: where (a JSONPath such as `$.to[3].token`) and what. */
export interface Fault {
  message: string;
  context: string;
}

/**
 * A failure that the caller may know of. Thrown by domain and persistence; only the api's filter
 * turns one into an HTTP answer.
 */
export abstract class FanfareError extends Error {
  /** Code of the public contract. */
  abstract readonly code: number;
  abstract readonly status: number;
  readonly faults: readonly Fault[] = [];

  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** 400: the request breaks the contract; every fault found is named, up to 100. */
export class InvalidRequest extends FanfareError {
  readonly code = 70002;
  readonly status = 400;

  constructor(
    override readonly faults: readonly Fault[],
    message = faults[0]?.message ?? 'The request is not valid.',
  ) {
    super(message);
  }
}

export class Unauthorized extends FanfareError {
  readonly code = 20003;
  readonly status = 401;
}

export class Forbidden extends FanfareError {
  readonly code = 20403;
  readonly status = 403;
}

/** 404: unknown, malformed or another account's id; the three look alike. */
export class NotFound extends FanfareError {
  readonly code = 20404;
  readonly status = 404;

  override readonly faults: readonly Fault[];

  /** @param context where the body names it; of what the path names there is no more to say. */
  constructor(message: string, context?: string) {
    super(message);
    this.faults = context === undefined ? [] : [{ message, context }];
  }
}

export class Conflict extends FanfareError {
  readonly code = 20409;
  readonly status = 409;
}

/** 422: the idempotency key was used for another request. */
export class KeyReused extends FanfareError {
  readonly code = 20422;
  readonly status = 422;
}

export class TooLarge extends FanfareError {
  readonly code = 20413;
  readonly status = 413;
}

/** 429: the caller has used up its second. */
export class TooManyRequests extends FanfareError {
  readonly code = 20429;
  readonly status = 429;

  constructor(
    message: string,
    readonly retryAfterSeconds: number,
  ) {
    super(message);
  }
}

/**
 * 503: PostgreSQL cannot take the request now. Nothing was written, unless the connection broke in the
 * very moment of the commit.
 */
export class Unavailable extends FanfareError {
  readonly code = 20503;
  readonly status = 503;

  constructor(
    message: string,
    readonly retryAfterSeconds = 5,
  ) {
    super(message);
  }
}

/**
 * Why a push ended FAILED: one number, one name, one sentence, what to do. `docs/errors.md` is
 * generated from this. Numbers are never reused.
 */
export const FAILURES = {
  UNREGISTERED: {
    code: 71001,
    sentence: 'The provider says that the token is no longer registered.',
    action: 'Drop the token; the app registers a new one at its next start.',
  },
  INVALID_TOKEN: {
    code: 71002,
    sentence: 'The token does not belong to this App, project or environment.',
    action:
      'Check that token and credential come from the same project, bundle id and environment.',
  },
  PAYLOAD_REJECTED: {
    code: 71003,
    sentence: 'The provider refused the message itself.',
    action: 'Read the message: it names the field. Sending the same again fails the same way.',
  },
  PAYLOAD_TOO_LARGE: {
    code: 71004,
    sentence: 'The rendered push is larger than the provider takes (4,096 bytes).',
    action: 'Shorten title, body or data, or the variables that go into them.',
  },
  LIQUID_RENDER: {
    code: 71005,
    sentence: 'A template failed or passed a limit while it was rendered for this recipient.',
    action: "Try it with Preflight and this recipient's variables.",
  },
  CREDENTIAL_DELETED: {
    code: 71006,
    sentence: 'The credential of this push was deleted before the push was sent.',
    action: 'Send again with another credential.',
  },
  CREDENTIAL_REJECTED: {
    code: 71007,
    sentence: 'The provider refused the credential until the push expired.',
    action: 'Check or rotate the credential, then redrive.',
  },
  EXPIRED: {
    code: 71008,
    sentence: 'The time to live ended before the provider accepted the push.',
    action: 'Send with a longer ttlSeconds if late is better than never.',
  },
  RETRIES_EXHAUSTED: {
    code: 71009,
    sentence: 'The provider did not accept the push within the retry window.',
    action: "Look at the provider's status, then redrive.",
  },
  OUTCOME_UNKNOWN: {
    code: 71010,
    sentence: 'The request left, its answer was lost, and it is not sent again.',
    action: 'The device may have shown it. Redrive only if twice is better than never.',
  },
  THIRD_PARTY_AUTH: {
    code: 71011,
    sentence: 'FCM could not authenticate to APNs or web push for this device.',
    action: 'Upload an APNs key or a web-push key in the Firebase console.',
  },
  UNADDRESSABLE: {
    code: 71012,
    sentence: 'The user is unknown or had no usable device, so there was nothing to send.',
    action: 'Register a device of this user, then send again.',
  },
} as const;

export type FailureName = keyof typeof FAILURES;
