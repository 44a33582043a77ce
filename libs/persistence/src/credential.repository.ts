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
import { lockAccount } from './account-lock.js';
import { IN_INDEX_ORDER, orUnavailable, type Database, type Statement } from './database.js';
import type { Credential as CredentialRow, CredentialWindow, Prisma } from './generated/client.js';
import { pageOf } from './paging.js';
import type {
  CredentialContent,
  CredentialFilter,
  CredentialSelector,
  NewCredential,
  Page,
  PageRequest,
} from './ports.js';
import { rowRange } from './row-range.js';
import type { SecretBox } from './secret-box.js';

/** An opened credential: for a provider, and for checks of what is to be sent to one. */
export interface OpenedCredential {
  id: Uuid;
  version: number;
  credentialType: CredentialType;
  /** What `NewCredential.secret` was. */
  secret: unknown;
}

type SelectedRow = Omit<CredentialRow, 'sealed' | 'version' | 'deletedAt' | 'accountId'>;

// Every send asks for its credentials: one statement, and nothing kept in memory that a change of the default
// or a deletion would have to reach.
const SELECTED = `
SELECT c.id, c.app_name AS "appName", c.credential_type AS "credentialType", c.is_default AS "isDefault",
  c.fingerprint, c.expires_at AS "expiresAt", c.updated_at AS "updatedAt" FROM credentials c`;

/** For the worker, which gets by without Prisma: its query engine takes 30 MB. */
const OPEN: Statement = {
  name: 'open-credential',
  text: `
SELECT version, credential_type AS "credentialType", sealed FROM credentials
WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL`,
};

type OpenRow = Pick<CredentialRow, 'version' | 'credentialType' | 'sealed'>;

const SELECT_BY_ID: Statement = {
  name: 'credentials-by-id',
  text: `${SELECTED} WHERE c.account_id = $1 AND c.deleted_at IS NULL AND c.id = ANY($2::uuid[])`,
};

/** An App has a credential as long as it lives. */
const SELECT_BY_APP: Statement = {
  name: 'credentials-by-app',
  text: `${SELECTED} WHERE c.account_id = $1 AND c.deleted_at IS NULL AND c.app_name = $2 AND c.is_default`,
};

const SELECT_DEFAULT: Statement = {
  name: 'credentials-of-default-app',
  text: `${SELECTED} JOIN apps a ON a.account_id = c.account_id AND a.name = c.app_name
WHERE a.account_id = $1 AND a.is_default AND c.deleted_at IS NULL AND c.is_default`,
};

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
        await lockAccount(tx, accountId);
        const apps = await tx.app.findMany({ where: { accountId }, select: { name: true } });
        if (!apps.some(({ name }) => name === input.appName)) {
          if (apps.length >= MAX_APPS_PER_ACCOUNT) {
            throw new Conflict(`The account has ${MAX_APPS_PER_ACCOUNT} Apps, which is the limit.`);
          }
          await tx.app.create({
            data: { accountId, name: input.appName, id: newId(), isDefault: apps.length === 0 },
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
    if (row === null) return null;
    const [credential] = await this.withStatus([row]);
    return credential ?? null;
  }

  /** Newest first. */
  async list(
    accountId: Uuid,
    filter: CredentialFilter,
    page: PageRequest,
  ): Promise<Page<Credential>> {
    const { appName, credentialType, isDefault } = filter;
    const values: unknown[] = [accountId];
    const range = rowRange('account_id', '$1', { ...filter, before: page.before, values });
    const parameter = (value: unknown) => `$${values.push(value)}`;
    const conditions = [
      range.condition,
      // Said outright: from row comparisons PostgreSQL does not see that the partial index holds all.
      'deleted_at IS NULL',
      ...(appName === undefined ? [] : [`app_name = ${parameter(appName)}`]),
      ...(credentialType === undefined ? [] : [`credential_type = ${parameter(credentialType)}`]),
      ...(isDefault === undefined ? [] : [`is_default = ${parameter(isDefault)}`]),
    ];
    const text = `${SELECTED} WHERE ${conditions.join(' AND ')}
      ORDER BY ${range.order} LIMIT ${parameter(page.limit + 1)}`;
    const { rows } = await this.db.transaction(
      (client) => client.query<SelectedRow>(text, values),
      IN_INDEX_ORDER,
    );
    const { items, next } = pageOf(rows, page.limit, (row) => row);
    return { items: await this.withStatus(items), next };
  }

  private async withStatus(rows: readonly SelectedRow[]): Promise<Credential[]> {
    const windows = await orUnavailable(() =>
      this.db.prisma.credentialWindow.findMany({
        where: { credentialId: { in: rows.map(({ id }) => id) } },
      }),
    );
    const byId = new Map(windows.map((window) => [window.credentialId, window]));
    const now = Date.now();
    return rows.map((row) => ({ ...toCredential(row), ...statusOf(byId.get(row.id), now) }));
  }

  /**
   * Makes this the default of its type in its App, or says that it is not.
   *
   * @returns false when there is no such credential.
   * @throws Conflict for `false` on the default: the mark only moves by setting it elsewhere.
   */
  async setDefault(accountId: Uuid, id: Uuid, isDefault: boolean): Promise<boolean> {
    return orUnavailable(() =>
      this.db.prisma.$transaction(async (tx) => {
        await lockAccount(tx, accountId);
        const row = await tx.credential.findFirst({ where: { accountId, id, deletedAt: null } });
        if (row === null) return false;
        if (row.isDefault === isDefault) return true;
        if (!isDefault) {
          throw new Conflict(
            `This is the default ${row.credentialType} credential of its App: make another one the default instead.`,
          );
        }
        await moveDefault(tx, row);
        return true;
      }),
    );
  }

  /**
   * Replaces the secret in place. What is being sent finishes on the old one; workers look at the
   * row again within seconds and see a new version. A pause of the old one may end at once.
   *
   * @returns false when there is no such credential.
   */
  async rotate(accountId: Uuid, id: Uuid, content: CredentialContent): Promise<boolean> {
    const { secret, fingerprint, expiresAt } = content;
    const sealed = this.box.seal(JSON.stringify(secret), place(accountId, id));
    return orUnavailable(() =>
      this.db.prisma.$transaction(async (tx) => {
        const { count } = await tx.credential.updateMany({
          where: { accountId, id, deletedAt: null },
          data: {
            sealed,
            fingerprint,
            expiresAt,
            version: { increment: 1 },
            updatedAt: new Date(),
          },
        });
        if (count > 0) await tryAnew(tx, id);
        return count > 0;
      }),
    );
  }

  /**
   * Forgets the secret; the row stays, since pushes name it. Of the others of its type in the App the
   * newest becomes the default after it. The last credential takes its App with it: registrations can
   * no longer be seen from then on, the sweep removes their rows.
   *
   * @returns false when there is no such credential.
   */
  async delete(accountId: Uuid, id: Uuid): Promise<boolean> {
    return orUnavailable(() =>
      this.db.prisma.$transaction(async (tx) => {
        await lockAccount(tx, accountId);
        const row = await tx.credential.findFirst({ where: { accountId, id, deletedAt: null } });
        if (row === null) return false;
        const now = new Date();
        await tx.credential.update({
          where: { id },
          data: { deletedAt: now, updatedAt: now, isDefault: false, sealed: new Uint8Array() },
        });
        await tryAnew(tx, id);
        const { appName: name } = row;
        const left = await tx.credential.findMany({
          where: { accountId, appName: name, deletedAt: null },
          orderBy: { id: 'desc' },
        });
        const heir = left.find(({ credentialType }) => credentialType === row.credentialType);
        if (row.isDefault && heir !== undefined) await moveDefault(tx, heir);
        if (left.length === 0) {
          const app = await tx.app.delete({ where: { accountId_name: { accountId, name } } });
          await tx.deletedApp.create({ data: { id: app.id, accountId } });
        }
        return true;
      }),
    );
  }

  /**
   * What a send may use: by ids those that exist, by App the defaults of that App.
   *
   * @returns in no particular order; empty when nothing fits.
   */
  async select(accountId: Uuid, selector: CredentialSelector): Promise<Credential[]> {
    const [statement, values] =
      'credentialIds' in selector
        ? [SELECT_BY_ID, [accountId, selector.credentialIds]]
        : 'appName' in selector
          ? [SELECT_BY_APP, [accountId, selector.appName]]
          : [SELECT_DEFAULT, [accountId]];
    const rows = await this.db.query<SelectedRow>(statement, values);
    return rows.map(toCredential);
  }

  /**
   * Opens the secret.
   *
   * @returns null when the credential was deleted.
   * @throws SecretDoesNotOpen (key ring, altered record), Unavailable
   */
  async open(accountId: Uuid, id: Uuid): Promise<OpenedCredential | null> {
    const [row] = await this.db.query<OpenRow>(OPEN, [accountId, id]);
    if (row === undefined) return null;
    return {
      id,
      version: row.version,
      credentialType: row.credentialType,
      secret: JSON.parse(this.box.open(row.sealed, place(accountId, id))),
    };
  }
}

/** Under the account's lock: at most one default of a type in an App. */
async function moveDefault(tx: Prisma.TransactionClient, to: CredentialRow): Promise<void> {
  const { id, accountId, appName, credentialType } = to;
  const updatedAt = new Date();
  await tx.credential.updateMany({
    where: { accountId, appName, credentialType, deletedAt: null, isDefault: true },
    data: { isDefault: false, updatedAt },
  });
  await tx.credential.update({ where: { id }, data: { isDefault: true, updatedAt } });
}

/**
 * What waits for a paused credential is tried now: its secret is a new one, or gone. The first statement locks the window, paused
 * or not: a pause that is being committed is seen by the second, and one that comes later sees the secret's new version.
 */
async function tryAnew(tx: Prisma.TransactionClient, credentialId: Uuid): Promise<void> {
  await tx.credentialWindow.updateMany({
    where: { credentialId },
    data: { warning: null, warnedAt: null },
  });
  await tx.credentialWindow.updateMany({
    where: { credentialId, pausedUntil: { not: null } },
    data: { pausedUntil: new Date(0), probe: null, pausedBy: null, lastProbe: null, pauses: 0 },
  });
}

/** A warning stands for a day after it was last true. */
const WARNED_MS = 86_400_000;

function statusOf(
  window: CredentialWindow | undefined,
  now: number,
): Pick<Credential, 'status' | 'statusReason'> {
  if (window?.pausedUntil != null) {
    return { status: 'FAILING', statusReason: window.pauseReason };
  }
  const warned = (window?.warnedAt?.getTime() ?? -Infinity) > now - WARNED_MS;
  return { status: 'OK', statusReason: warned ? (window?.warning ?? null) : null };
}

/** Associated data of a sealed credential: it opens in its own row only. */
function place(accountId: Uuid, credentialId: Uuid): string {
  return `credential:${accountId}:${credentialId}`;
}

/** As it is when nothing is known against it; see `withStatus`. */
function toCredential(row: SelectedRow): Credential {
  return {
    id: row.id,
    appName: row.appName,
    credentialType: row.credentialType,
    isDefault: row.isDefault,
    fingerprint: row.fingerprint,
    expiresAt: row.expiresAt,
    status: 'OK',
    statusReason: null,
    createdAt: instantOfId(row.id),
    updatedAt: row.updatedAt,
  };
}
