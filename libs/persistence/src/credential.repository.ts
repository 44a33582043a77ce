import {
  Conflict,
  instantOfId,
  MAX_APPS_PER_ACCOUNT,
  MAX_CREDENTIALS_PER_APP,
  newId,
  type Credential,
  type CredentialType,
  type Uuid,
} from '@app/domain';
import { orUnavailable, type Database } from './database.js';
import type { Credential as CredentialRow } from './generated/client.js';
import type { CredentialSelector, NewCredential } from './ports.js';
import type { SecretBox } from './secret-box.js';

/** An opened credential, for the worker's eyes only. */
export interface OpenedCredential {
  id: Uuid;
  version: number;
  credentialType: CredentialType;
  /** What `NewCredential.secret` was. */
  secret: unknown;
}

export class CredentialRepository {
  constructor(
    private readonly db: Database,
    private readonly box: SecretBox,
    /** Start value of the credential's admission window. */
    private readonly window = 500,
  ) {}

  /**
   * Stores a credential, sealed, and with it its App when that is new. The first App of an account
   * and the first credential of its type in an App become the default.
   *
   * @throws Conflict beyond 10 Apps an account or 10 credentials an App.
   */
  async create(accountId: Uuid, input: NewCredential): Promise<Credential> {
    const id = newId();
    const sealed = this.box.seal(JSON.stringify(input.secret), place(accountId, id));
    return orUnavailable(() =>
      this.db.prisma.$transaction(async (tx) => {
        // Two creations of one account take turns: limits and defaults are read before they are set.
        await tx.$queryRaw`SELECT 1 FROM accounts WHERE id = ${accountId}::uuid FOR UPDATE`;
        const apps = await tx.app.findMany({ where: { accountId }, select: { name: true } });
        if (!apps.some(({ name }) => name === input.appName)) {
          if (apps.length >= MAX_APPS_PER_ACCOUNT) {
            throw new Conflict(`The account has ${MAX_APPS_PER_ACCOUNT} Apps, which is the limit.`);
          }
          await tx.app.create({
            data: { accountId, name: input.appName, isDefault: apps.length === 0 },
          });
        }
        const inApp = { accountId, appName: input.appName, deletedAt: null };
        if ((await tx.credential.count({ where: inApp })) >= MAX_CREDENTIALS_PER_APP) {
          throw new Conflict(
            `The App ${input.appName} has ${MAX_CREDENTIALS_PER_APP} credentials, which is the limit.`,
          );
        }
        const ofType = { ...inApp, credentialType: input.credentialType, isDefault: true };
        const isDefault =
          input.isDefault === true || (await tx.credential.count({ where: ofType })) === 0;
        if (isDefault) {
          await tx.credential.updateMany({
            where: ofType,
            data: { isDefault: false, updatedAt: new Date() },
          });
        }
        const row = await tx.credential.create({
          data: {
            id,
            accountId,
            appName: input.appName,
            credentialType: input.credentialType,
            isDefault,
            sealed,
            fingerprint: input.fingerprint,
            expiresAt: input.expiresAt,
          },
        });
        await tx.credentialWindow.create({
          data: { credentialId: id, accountId, window: this.window },
        });
        return toCredential(row);
      }),
    );
  }

  async find(accountId: Uuid, id: Uuid): Promise<Credential | null> {
    const row = await orUnavailable(() =>
      this.db.prisma.credential.findFirst({ where: { id, accountId, deletedAt: null } }),
    );
    return row === null ? null : toCredential(row);
  }

  /**
   * What a send may use: by ids those that exist, by App the defaults of that App.
   *
   * @returns in no particular order; empty when nothing fits.
   */
  async select(accountId: Uuid, selector: CredentialSelector): Promise<Credential[]> {
    const rows = await orUnavailable(async () => {
      if ('credentialIds' in selector) {
        return this.db.prisma.credential.findMany({
          where: { accountId, deletedAt: null, id: { in: [...selector.credentialIds] } },
        });
      }
      const app = await this.db.prisma.app.findFirst({
        where:
          'appName' in selector
            ? { accountId, name: selector.appName }
            : { accountId, isDefault: true },
      });
      if (app === null) return [];
      return this.db.prisma.credential.findMany({
        where: { accountId, deletedAt: null, appName: app.name, isDefault: true },
      });
    });
    return rows.map(toCredential);
  }

  /**
   * Opens the secret, for delivery.
   *
   * @returns null when the credential was deleted.
   * @throws Error when it does not open (key ring, altered record).
   */
  async open(accountId: Uuid, id: Uuid): Promise<OpenedCredential | null> {
    const row = await orUnavailable(() =>
      this.db.prisma.credential.findFirst({ where: { id, accountId, deletedAt: null } }),
    );
    if (row === null) return null;
    return {
      id: row.id,
      version: row.version,
      credentialType: row.credentialType,
      secret: JSON.parse(this.box.open(row.sealed, place(accountId, id))),
    };
  }
}

/** Associated data of a sealed credential: it opens in its own row only. */
function place(accountId: Uuid, credentialId: Uuid): string {
  return `credential:${accountId}:${credentialId}`;
}

function toCredential(row: CredentialRow): Credential {
  return {
    id: row.id,
    appName: row.appName,
    credentialType: row.credentialType,
    isDefault: row.isDefault,
    fingerprint: row.fingerprint,
    expiresAt: row.expiresAt,
    createdAt: instantOfId(row.id),
    updatedAt: row.updatedAt,
  };
}
