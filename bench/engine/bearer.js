/** Tokens for those that bring none of their own: the bare loops and `firebase-admin`. */
import { createPrivateKey, sign } from 'node:crypto';
import { request } from 'node:https';

/** @param {unknown} value */
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** @param {object} header @param {object} claims @param {string} pem @param {string} digest */
function jwt(header, claims, pem, digest) {
  const content = `${encode(header)}.${encode(claims)}`;
  const signature = sign(digest, Buffer.from(content), {
    key: createPrivateKey(pem),
    dsaEncoding: 'ieee-p1363',
  });
  return `${content}.${signature.toString('base64url')}`;
}

/**
 * @param {{ signingKey: string, keyId: string, teamId: string }} credential with the key as PEM
 * @returns {string} an APNs provider token
 */
export const apnsToken = ({ signingKey, keyId, teamId }) =>
  jwt(
    { alg: 'ES256', kid: keyId },
    { iss: teamId, iat: Math.floor(Date.now() / 1000) },
    signingKey,
    'SHA256',
  );

/**
 * @param {{ clientEmail: string, privateKey: string }} account
 * @param {{ tokenUrl: string, ca: string }} where
 * @returns {Promise<string>} a Google access token
 */
export function accessToken(account, { tokenUrl, ca }) {
  const now = Math.floor(Date.now() / 1000);
  const assertion = jwt(
    { alg: 'RS256', typ: 'JWT' },
    {
      iss: account.clientEmail,
      scope: 'https://www.googleapis.com/auth/firebase.messaging',
      aud: 'https://oauth2.googleapis.com/token',
      iat: now,
      exp: now + 3_600,
    },
    account.privateKey,
    'RSA-SHA256',
  );
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion,
  }).toString();
  return new Promise((resolve, reject) => {
    const asked = request(tokenUrl, {
      method: 'POST',
      ca,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    asked.once('error', reject);
    asked.once('response', async (answer) => {
      let text = '';
      for await (const chunk of answer) text += chunk;
      if (answer.statusCode === 200) resolve(JSON.parse(text).access_token);
      else reject(new Error(`The token endpoint answered ${answer.statusCode}: ${text}`));
    });
    asked.end(body);
  });
}
