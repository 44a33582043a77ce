import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { jwt } from '../test/client.js';
import { parseJwt, signedBy } from './jwt.js';

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = ec.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

describe('a JWT', () => {
  it('is taken apart and verified', () => {
    const parsed = parseJwt(jwt('ES256', pem, { kid: 'K' }, { iss: 'T' }));
    expect(parsed).toMatchObject({ header: { alg: 'ES256', kid: 'K' }, claims: { iss: 'T' } });
    expect(parsed && signedBy(parsed, 'ES256', ec.publicKey)).toBe(true);
  });

  it('is not believed when it names another algorithm', () => {
    const parsed = parseJwt(jwt('ES256', pem, { alg: 'none' }, {}));
    expect(parsed && signedBy(parsed, 'ES256', ec.publicKey)).toBe(false);
  });

  it('is not believed with a changed claim', () => {
    const [head, , signature] = jwt('ES256', pem, {}, { iss: 'T' }).split('.');
    const body = Buffer.from('{"iss":"U"}').toString('base64url');
    const parsed = parseJwt(`${head}.${body}.${signature}`);
    expect(parsed?.claims).toEqual({ iss: 'U' });
    expect(parsed && signedBy(parsed, 'ES256', ec.publicKey)).toBe(false);
  });

  it.each(['', 'a.b', 'a.b.c', 'W10.e30.c', 'e30.e30.', 'e30.e30.c.d'])('is not %j', (text) => {
    expect(parseJwt(text)).toBeUndefined();
  });
});
