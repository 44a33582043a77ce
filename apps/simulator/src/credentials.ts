import { createPublicKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { issuePushCertificate, type KeyedCertificate, makeAuthority } from './certificates.js';

const generate = promisify(generateKeyPair);

const keyedCertificateSchema = z.object({ certificate: z.string(), privateKey: z.string() });

const credentialSetSchema = z.object({
  projectId: z.string(),
  clientEmail: z.string(),
  serviceAccountKey: z.string(),
  serviceAccountKeyId: z.string(),
  teamId: z.string(),
  keyId: z.string(),
  signingKey: z.string(),
  topic: z.string(),
  push: keyedCertificateSchema,
});

/** One pretended customer of Google and Apple. Keys are PEM. */
export type CredentialSet = z.output<typeof credentialSetSchema>;

const fileSchema = z.object({
  version: z.literal(1),
  authority: keyedCertificateSchema,
  sets: z.record(z.string(), credentialSetSchema),
});

/** As the contract's Credential create wants them in `content`: every secret base64. */
export interface ReadyCredentials {
  fcm: { privateKey: string };
  apnToken: { signingKey: string; keyId: string; teamId: string; topic: string };
  apnCertificate: { certificate: string; privateKey: string };
}

/** Short, because it becomes part of a project id, and those have at most 30 characters. */
export const setNamePattern = /^[a-z0-9](?:[a-z0-9-]{0,14}[a-z0-9])?$/;

const MAX_SETS = 1_000;

/**
 * The certificate authority and the credentials that were handed out, kept in one directory:
 * `ca.pem` for everybody, `simulator.json` (0600) with the keys.
 */
export class CredentialStore {
  private readonly byName = new Map<string, CredentialSet>();
  private readonly accounts = new Map<string, { set: CredentialSet; key: KeyObject }>();
  private readonly signers = new Map<string, { set: CredentialSet; key: KeyObject }>();
  private readonly making = new Map<string, Promise<CredentialSet>>();
  private writing: Promise<void> = Promise.resolve();

  private constructor(
    private readonly dir: string,
    readonly authority: KeyedCertificate,
  ) {}

  /**
   * Opens the directory, or fills it when it is new.
   *
   * @throws Error when `simulator.json` is there but not ours or not whole.
   */
  static async open(dir: string): Promise<CredentialStore> {
    await mkdir(dir, { recursive: true });
    const kept = await readKept(join(dir, 'simulator.json'));
    const store = new CredentialStore(dir, kept?.authority ?? (await makeAuthority()));
    for (const [name, set] of Object.entries(kept?.sets ?? {})) store.learn(name, set);
    await writeWhole(store.caFile, store.authority.certificate, 0o644);
    await store.set('default');
    return store;
  }

  get caFile(): string {
    return join(this.dir, 'ca.pem');
  }

  /**
   * The set of that name, made and kept when it is asked for the first time. Another name is
   * another customer: own Google project, own Apple team, own topic.
   *
   * @throws RangeError for a name that is not one, or when there are too many sets.
   */
  async set(name = 'default'): Promise<CredentialSet> {
    const known = this.byName.get(name);
    if (known !== undefined) return known;
    if (!setNamePattern.test(name)) {
      throw new RangeError('a name is 1–16 lower-case letters, digits and dashes');
    }
    const pending = this.making.get(name);
    if (pending !== undefined) return pending;
    if (this.byName.size + this.making.size >= MAX_SETS) {
      throw new RangeError(`there are ${MAX_SETS} sets of credentials already`);
    }
    const made = this.make(name).finally(() => this.making.delete(name));
    this.making.set(name, made);
    return made;
  }

  /** Ready to be posted to `/v1/PushNotifications/Credentials`. Throws as `set` does. */
  async ready(name?: string): Promise<ReadyCredentials> {
    const set = await this.set(name);
    return {
      fcm: { privateKey: base64(serviceAccountJson(set)) },
      apnToken: {
        signingKey: base64(set.signingKey),
        keyId: set.keyId,
        teamId: set.teamId,
        topic: set.topic,
      },
      apnCertificate: {
        certificate: base64(set.push.certificate),
        privateKey: base64(set.push.privateKey),
      },
    };
  }

  /** By `client_email`. */
  serviceAccount(email: string): { set: CredentialSet; key: KeyObject } | undefined {
    return this.accounts.get(email);
  }

  /** By APNs key id. */
  signer(keyId: string): { set: CredentialSet; key: KeyObject } | undefined {
    return this.signers.get(keyId);
  }

  hasProject(projectId: string): boolean {
    for (const set of this.byName.values()) if (set.projectId === projectId) return true;
    return false;
  }

  private async make(name: string): Promise<CredentialSet> {
    const suffix = name === 'default' ? '' : `-${name}`;
    const projectId = `fanfare-sim${suffix}`;
    const topic = `com.example.fanfare${suffix}`;
    const [account, signing, push] = await Promise.all([
      generate('rsa', { modulusLength: 2_048 }),
      generate('ec', { namedCurve: 'P-256' }),
      issuePushCertificate(this.authority, topic),
    ]);
    const set: CredentialSet = {
      projectId,
      clientEmail: `simulator@${projectId}.iam.gserviceaccount.com`,
      serviceAccountKey: pem(account.privateKey),
      serviceAccountKeyId: randomBytes(20).toString('hex'),
      teamId: appleId(),
      keyId: appleId(),
      signingKey: pem(signing.privateKey),
      topic,
      push,
    };
    this.learn(name, set);
    await this.save();
    return set;
  }

  private learn(name: string, set: CredentialSet): void {
    this.byName.set(name, set);
    this.accounts.set(set.clientEmail, { set, key: createPublicKey(set.serviceAccountKey) });
    this.signers.set(set.keyId, { set, key: createPublicKey(set.signingKey) });
  }

  /** One write after the other, each with everything known when it begins. */
  private save(): Promise<void> {
    this.writing = this.writing
      .catch(() => undefined)
      .then(() => {
        const content = {
          version: 1,
          authority: this.authority,
          sets: Object.fromEntries(this.byName),
        } satisfies z.input<typeof fileSchema>;
        const text = `${JSON.stringify(content, null, 2)}\n`;
        return writeWhole(join(this.dir, 'simulator.json'), text, 0o600);
      });
    return this.writing;
  }
}

function serviceAccountJson(set: CredentialSet): string {
  return JSON.stringify({
    type: 'service_account',
    project_id: set.projectId,
    private_key_id: set.serviceAccountKeyId,
    private_key: set.serviceAccountKey,
    client_email: set.clientEmail,
    client_id: '100000000000000000000',
    auth_uri: 'https://accounts.google.com/o/oauth2/auth',
    token_uri: 'https://oauth2.googleapis.com/token',
    auth_provider_x509_cert_url: 'https://www.googleapis.com/oauth2/v1/certs',
    universe_domain: 'googleapis.com',
  });
}

async function readKept(file: string): Promise<z.output<typeof fileSchema> | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch {
    // Starting afresh would quietly make every credential that was handed out worthless.
    throw new Error(`${file} is damaged: delete it to begin with new credentials`);
  }
}

/** Beside it and renamed over it, so that a crash leaves the old file or the new one. */
async function writeWhole(file: string, text: string, mode: number): Promise<void> {
  const beside = `${file}.${process.pid}.new`;
  await writeFile(beside, text, { mode });
  await rename(beside, file);
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Ten capital letters and digits, as Apple's team and key ids. */
function appleId(): string {
  const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
  return Array.from(randomBytes(10), (byte) => alphabet[byte % alphabet.length]).join('');
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
