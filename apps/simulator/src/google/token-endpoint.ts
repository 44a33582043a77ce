import type { TokenEndpointBehaviour } from '../behaviour.js';
import type { CredentialStore } from '../credentials.js';
import type { Exchange, Reply } from '../exchange.js';
import { parseJwt, signedBy } from '../jwt.js';
import { type AccessTokens, LIFETIME_SECONDS } from './access-tokens.js';

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const AUDIENCE = 'https://oauth2.googleapis.com/token';

const TIMEFRAME =
  'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. ' +
  'Check your iat and exp values in the JWT claim.';

/** How far the caller's clock may be ahead of ours, in seconds. */
const SKEW = 300;

/**
 * Google's OAuth 2.0 token endpoint for service accounts: a signed assertion in, a bearer out.
 * https://developers.google.com/identity/protocols/oauth2/service-account#httprest
 */
export class TokenEndpoint {
  constructor(
    private readonly credentials: CredentialStore,
    private readonly tokens: AccessTokens,
    private readonly now: () => number,
    private readonly behaviour: () => TokenEndpointBehaviour | null,
  ) {}

  answer(exchange: Exchange): Reply {
    const forced = this.behaviour();
    if (forced !== null)
      return failure(forced.status, forced.error, 'The operator asked for this.');
    if (exchange.method !== 'POST') return failure(405, 'invalid_request', 'POST only');

    const type = exchange.headers['content-type'] ?? '';
    if (!type.startsWith('application/x-www-form-urlencoded')) {
      return failure(400, 'invalid_request', 'The body must be a form');
    }
    const form = new URLSearchParams(exchange.text());
    const grant = form.get('grant_type');
    if (grant !== GRANT)
      return failure(400, 'unsupported_grant_type', `Invalid grant_type: ${grant}`);
    const assertion = form.get('assertion');
    if (assertion === null) {
      return failure(400, 'invalid_request', 'Missing required parameter: assertion');
    }
    return this.grant(assertion);
  }

  private grant(assertion: string): Reply {
    const jwt = parseJwt(assertion);
    if (jwt === undefined) return failure(400, 'invalid_grant', 'Bad Request');
    const { iss, aud, scope, iat, exp } = jwt.claims;

    const account = this.credentials.serviceAccount(String(iss));
    if (account === undefined) {
      return failure(400, 'invalid_grant', 'Invalid grant: account not found');
    }
    if (!signedBy(jwt, 'RS256', account.key)) {
      return failure(400, 'invalid_grant', 'Invalid JWT Signature.');
    }
    if (aud !== AUDIENCE) {
      return failure(
        400,
        'invalid_grant',
        `Invalid JWT: Failed audience check. The right audience is ${AUDIENCE}`,
      );
    }
    const now = this.now();
    const inTime =
      typeof iat === 'number' &&
      typeof exp === 'number' &&
      iat <= now + SKEW &&
      exp > now &&
      exp > iat &&
      exp - iat <= 3_600;
    if (!inTime) return failure(400, 'invalid_grant', TIMEFRAME);
    if (typeof scope !== 'string' || !scope.split(' ').includes(SCOPE)) {
      return failure(400, 'invalid_scope', 'Invalid OAuth scope or ID token audience provided.');
    }
    return json(200, {
      access_token: this.tokens.mint(account.set, now),
      expires_in: LIFETIME_SECONDS,
      token_type: 'Bearer',
    });
  }
}

function failure(status: number, error: string, description: string): Reply {
  return { ...json(status, { error, error_description: description }), reason: error };
}

function json(status: number, body: unknown): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
    body: JSON.stringify(body),
  };
}
