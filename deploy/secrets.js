/** Prints fresh secrets for docker-compose.yml: `node deploy/secrets.js > .env`. Keep them: data is sealed with them. */
import { randomBytes } from 'node:crypto';

const secrets = {
  POSTGRES_PASSWORD: randomBytes(24).toString('hex'),
  FANFARE_OWNER_PASSWORD: randomBytes(24).toString('hex'),
  FANFARE_APP_PASSWORD: randomBytes(24).toString('hex'),
  ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
  BOOTSTRAP_ACCOUNT_SID: `AC${randomBytes(16).toString('hex')}`,
  BOOTSTRAP_AUTH_TOKEN: randomBytes(32).toString('hex'),
};

for (const [name, value] of Object.entries(secrets)) process.stdout.write(`${name}=${value}\n`);
