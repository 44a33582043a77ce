import type { IncomingMessage } from 'node:http';
import { createPrivateKey, sign } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import type { ReadyCredentials } from '../src/credentials.js';
import type { Simulator } from '../src/simulator.js';

// A client that shares nothing with libs/providers: what it believes about the two protocols was
// written down a second time, so that one mistake cannot hide in both.

export interface Answer {
  /** 0: the stream ended without an answer. */
  status: number;
  headers: Record<string, unknown>;
  body: string;
  /** RST_STREAM code; 0 after an ordinary end. */
  rst: number;
}

/** Sends one request and resolves when its stream has closed, however that came. */
export function send(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string,
): Promise<Answer> {
  return new Promise((resolve) => {
    const stream = session.request({ ':method': 'POST', ...headers });
    const answer: Answer = { status: 0, headers: {}, body: '', rst: 0 };
    stream.on('response', (received) => {
      answer.status = Number(received[':status']);
      answer.headers = { ...received };
    });
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      answer.body += chunk;
    });
    stream.on('error', () => undefined);
    stream.on('close', () => {
      resolve({ ...answer, rst: stream.rstCode });
    });
    stream.end(body);
  });
}

/** An open session whose peer has said its SETTINGS. */
export async function open(
  origin: string,
  tls: { ca: string; cert?: string; key?: string },
): Promise<ClientHttp2Session> {
  const session = connect(origin, tls);
  session.on('error', () => undefined);
  await once(session, 'remoteSettings');
  return session;
}

/** Ends a session and waits until its socket is gone. */
export async function shut(session: ClientHttp2Session): Promise<void> {
  if (session.destroyed) return;
  const closed = once(session, 'close');
  session.destroy();
  await closed;
}

export function jwt(
  algorithm: 'RS256' | 'ES256',
  key: string,
  header: Record<string, unknown>,
  claims: Record<string, unknown>,
): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: algorithm, ...header })}.${part(claims)}`;
  const privateKey = createPrivateKey(key);
  const signature =
    algorithm === 'RS256'
      ? sign('sha256', Buffer.from(signed), privateKey)
      : sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

export function seconds(): number {
  return Math.floor(Date.now() / 1_000);
}

export function plain(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}

/** The `authorization` header of an APNs request. */
export function providerToken(
  { apnToken }: ReadyCredentials,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): string {
  const { keyId, teamId, signingKey } = apnToken;
  const all = { iss: teamId, iat: seconds(), ...claims };
  return `bearer ${jwt('ES256', plain(signingKey), { kid: keyId, ...header }, all)}`;
}

export interface ServiceAccount {
  project_id: string;
  client_email: string;
  private_key: string;
  token_uri: string;
}

export function serviceAccount(ready: ReadyCredentials): ServiceAccount {
  return JSON.parse(plain(ready.fcm.privateKey)) as ServiceAccount;
}

export function assertion(
  account: ServiceAccount,
  claims: Record<string, unknown> = {},
  key = account.private_key,
): string {
  const all = {
    iss: account.client_email,
    aud: 'https://oauth2.googleapis.com/token',
    scope: 'https://www.googleapis.com/auth/firebase.messaging',
    iat: seconds(),
    exp: seconds() + 3_600,
    ...claims,
  };
  return jwt('RS256', key, { typ: 'JWT' }, all);
}

/** Over HTTP/1.1, as Google's own libraries do it. */
export async function post(
  url: string,
  ca: string,
  headers: Record<string, string>,
  body: string,
): Promise<{ status: number; json: unknown; version: string }> {
  const request = httpsRequest(url, { method: 'POST', ca, headers, agent: false });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += String(chunk);
  return {
    status: response.statusCode ?? 0,
    json: JSON.parse(text),
    version: response.httpVersion,
  };
}

export function askToken(
  simulator: Simulator,
  form: Record<string, string>,
): Promise<{ status: number; json: unknown; version: string }> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return post(simulator.tokenUrl, simulator.ca, headers, new URLSearchParams(form).toString());
}

export async function bearer(simulator: Simulator, name?: string): Promise<string> {
  const account = serviceAccount(await simulator.credentials(name));
  const answer = await askToken(simulator, {
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: assertion(account),
  });
  return `Bearer ${(answer.json as { access_token: string }).access_token}`;
}
