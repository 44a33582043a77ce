import { createHash } from 'node:crypto';
import { newId, type PushTarget, type Uuid } from '@app/domain';
import { AccountRepository } from './account.repository.js';
import { AdmissionRepository } from './admission.repository.js';
import { ApiKeyRepository } from './api-key.repository.js';
import { AppRepository } from './app.repository.js';
import { AuditRepository } from './audit.repository.js';
import { CancelRepository } from './cancel.repository.js';
import { CredentialRepository } from './credential.repository.js';
import { Database } from './database.js';
import { DeadTokenRepository } from './dead-token.repository.js';
import { DeliveryRepository, type ClaimedPush } from './delivery.repository.js';
import { DeviceRepository } from './device.repository.js';
import { DispatchRepository, type Dispatch, type DispatchLane } from './dispatch.repository.js';
import { ExpireRepository } from './expire.repository.js';
import { OperationRepository } from './operation.repository.js';
import { OperationErrorsRepository } from './operation-errors.repository.js';
import { PushNotificationRepository } from './push-notification.repository.js';
import type { NewOperation, Once } from './ports.js';
import { RedriveRepository } from './redrive.repository.js';
import { ScheduleRepository } from './schedule.repository.js';
import { SecretBox } from './secret-box.js';
import { SweepRepository } from './sweep.repository.js';
import { UserRepository } from './user.repository.js';
import { settlementOf } from './testing-settlement.js';

export { settlementOf };

export interface StoreOptions {
  /** That credentials begin with. */
  window?: number;
  poolSize?: number;
}

/** Everything of this library over one migrated database, for its own tests. */
export class Store {
  readonly db: Database;
  readonly accounts: AccountRepository;
  readonly apps: AppRepository;
  readonly apiKeys: ApiKeyRepository;
  readonly credentials: CredentialRepository;
  readonly devices: DeviceRepository;
  readonly deadTokens: DeadTokenRepository;
  readonly users: UserRepository;
  readonly operations: OperationRepository;
  readonly pushes: PushNotificationRepository;
  readonly deliveries: DeliveryRepository;
  readonly dispatches: DispatchRepository;
  readonly sweeps: SweepRepository;
  readonly admissions: AdmissionRepository;
  readonly expiries: ExpireRepository;
  readonly audits: AuditRepository;
  readonly cancels: CancelRepository;
  readonly redrives: RedriveRepository;
  readonly schedules: ScheduleRepository;
  readonly errors: OperationErrorsRepository;

  constructor(url: string, { window = 500, poolSize = 8 }: StoreOptions = {}) {
    this.db = new Database({ url, poolSize, applicationName: 'test' });
    const box = new SecretBox([{ id: 'k1', key: Buffer.alloc(32, 1) }]);
    this.accounts = new AccountRepository(this.db);
    this.credentials = new CredentialRepository(this.db, box, window);
    this.apps = new AppRepository(this.db);
    this.apiKeys = new ApiKeyRepository(this.db);
    this.devices = new DeviceRepository(this.db);
    this.deadTokens = new DeadTokenRepository(this.db);
    this.users = new UserRepository(this.db);
    this.operations = new OperationRepository(this.db);
    this.pushes = new PushNotificationRepository(this.db);
    this.deliveries = new DeliveryRepository(this.db);
    this.dispatches = new DispatchRepository(this.db);
    this.sweeps = new SweepRepository(this.db);
    this.admissions = new AdmissionRepository(this.db);
    this.expiries = new ExpireRepository(this.db);
    this.audits = new AuditRepository(this.db);
    this.cancels = new CancelRepository(this.db);
    this.redrives = new RedriveRepository(this.db);
    this.schedules = new ScheduleRepository(this.db);
    this.errors = new OperationErrorsRepository(this.db);
  }

  /** An account with an FCM and an APN credential. */
  async tenant(): Promise<Tenant> {
    const accountId = newId();
    await this.accounts.ensure(accountId, createHash('sha256').update(accountId).digest());
    const create = (credentialType: 'FCM' | 'APN') =>
      this.credentials.create(accountId, {
        appName: 'news',
        credentialType,
        secret: { kind: 'test', privateKey: 'top-secret' },
        fingerprint: 'ab',
        expiresAt: null,
      });
    return { accountId, fcm: (await create('FCM')).id, apn: (await create('APN')).id };
  }

  /** Accepts an operation of `count` pushes, every other one for APN when `mixed`. */
  async accept(tenant: Tenant, count: number, over: Partial<NewOperation> = {}): Promise<Uuid> {
    const pushes = Array.from({ length: count }, (_, at): PushTarget => ({
      provider: 'FCM',
      token: `token-${at}`,
      variables: { name: `name ${at}` },
    }));
    const { id } = await this.operations.accept(tenant.accountId, {
      settings: {
        content: { title: 'Hi', body: 'Hello {{name}}' },
        priority: 'HIGH',
        sound: null,
        ttlSeconds: 3_600,
        collapseKey: null,
        badge: null,
        overrides: null,
      },
      scheduledFor: null,
      tags: null,
      recipients: count,
      pushes,
      users: [],
      appName: 'news',
      credentials: { FCM: tenant.fcm, APN: tenant.apn },
      ...over,
    });
    return id;
  }

  /** Takes turns of a lane until nothing is handed over; what was, in order. */
  async dispatchAll(lane: DispatchLane, chunk = 500): Promise<Dispatch[]> {
    const all: Dispatch[] = [];
    for (;;) {
      const turn = await this.dispatches.takeTurns(lane, chunk, ({ deliveries }) => {
        all.push(...deliveries);
        return Promise.resolve();
      });
      if ((turn?.handedOver ?? 0) === 0) return all;
    }
  }

  async claim(ids: readonly Uuid[], leaseMs = 60_000): Promise<ClaimedPush[]> {
    const results = await this.deliveries.claim(ids, leaseMs);
    return results.flatMap((result) => (result.state === 'claimed' ? [result.push] : []));
  }

  /** Ids of an operation's pushes, oldest first. */
  async idsOf(operationId: Uuid, status?: string): Promise<Uuid[]> {
    const rows = await this.db.query<{ id: Uuid }>(
      `SELECT id FROM push_notifications
       WHERE operation_id = $1 AND ($2::push_status IS NULL OR status = $2) ORDER BY id`,
      [operationId, status ?? null],
    );
    return rows.map(({ id }) => id);
  }

  /** Until so many statements wait for a lock; throws when they do not within ten seconds. */
  async untilWaiting(count: number): Promise<void> {
    for (const end = performance.now() + 10_000; performance.now() < end;) {
      const [row] = await this.db.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      if ((row?.n ?? 0) >= count) return;
    }
    throw new Error(`${count} statements never waited for a lock`);
  }

  /** Settles claims; FAILED when `failing`. */
  async settle(claims: readonly ClaimedPush[], failing = false): Promise<void> {
    const over = failing ? { to: 'FAILED' as const, errorCode: 71001, errorMessage: 'gone' } : {};
    await this.deliveries.settle(claims.map((claim) => settlementOf(claim, over)));
  }

  /**
   * Everything that should add up and does not: counters of operations against their rows, windows
   * against the rows below the cursors, `completedAt` against what is left to do.
   */
  async discrepancies(): Promise<unknown[]> {
    const counters = await this.db.query(
      `SELECT o.id, o.scheduled, o.queued, o.sent, o.failed, o.canceled, o.completed_at, r.*
       FROM operations o CROSS JOIN LATERAL (
         SELECT count(*) FILTER (WHERE status = 'SCHEDULED') AS s, count(*) FILTER (WHERE status = 'QUEUED') AS q,
           count(*) FILTER (WHERE status = 'SENT') AS t, count(*) FILTER (WHERE status = 'FAILED') AS f,
           count(*) FILTER (WHERE status = 'CANCELED') AS c
         FROM push_notifications WHERE operation_id = o.id) r
       WHERE (o.scheduled, o.queued, o.sent, o.failed, o.canceled) IS DISTINCT FROM (r.s, r.q, r.t, r.f, r.c)
         OR (o.completed_at IS NULL) <> (o.scheduled + o.queued > 0)`,
    );
    const windows = await this.db.query(
      `SELECT w.credential_id, w.outstanding, coalesce(a.n, 0) AS actual FROM credential_windows w LEFT JOIN (
         SELECT q.credential_id, count(*)::int AS n FROM operation_parts q JOIN push_notifications p
           ON p.operation_id = q.operation_id AND p.provider = q.provider AND p.status = 'QUEUED'
           AND p.id <= q.dispatched_through
         GROUP BY q.credential_id) a USING (credential_id)
       WHERE w.outstanding <> coalesce(a.n, 0)`,
    );
    return [...counters, ...windows];
  }

  async outstanding(credentialId: Uuid): Promise<number | undefined> {
    const rows = await this.db.query<{ outstanding: number }>(
      'SELECT outstanding FROM credential_windows WHERE credential_id = $1',
      [credentialId],
    );
    return rows[0]?.outstanding;
  }
}

export interface Tenant {
  accountId: Uuid;
  fcm: Uuid;
  apn: Uuid;
}

/** A key with the fingerprint of some request. */
export function once(key: string, request = 'request'): Once {
  return { key, fingerprint: createHash('sha256').update(request).digest() };
}
