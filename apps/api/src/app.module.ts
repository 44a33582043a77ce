import type { DynamicModule } from '@nestjs/common';
import { Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core';
import {
  AccountRepository,
  ApiKeyRepository,
  AppRepository,
  CancelRepository,
  CredentialRepository,
  Database,
  DeviceRepository,
  DispatchSignal,
  OperationErrorsRepository,
  OperationRepository,
  PushNotificationRepository,
  RedriveRepository,
  SecretBox,
  UserRepository,
} from '@app/persistence';
import type { EncryptionKey, Logger } from '@app/platform';
import { LoggerModule } from 'nestjs-pino';
import { ApiKeysModule } from './api-keys/api-keys.module.js';
import { AppsModule } from './apps/apps.module.js';
import { Authenticator } from './auth/authenticator.js';
import { CommandsModule } from './commands/commands.module.js';
import { CredentialChecks } from './credentials/credential-checks.js';
import { CredentialsModule } from './credentials/credentials.module.js';
import { DeviceRegistrationsModule } from './device-registrations/device-registrations.module.js';
import { AllFaultsInterceptor } from './errors/all-faults.interceptor.js';
import { ErrorFilter } from './errors/error.filter.js';
import { HealthModule } from './health/health.module.js';
import { requestLogging } from './http/logging.js';
import { Leaving } from './http/leaving.js';
import { PublicUrl } from './http/public-url.js';
import type { QueueAccess } from './http/queue-access.js';
import { PageTokens } from './lists/page-tokens.js';
import { OperationsModule } from './operations/operations.module.js';
import { PushNotificationsModule } from './push-notifications/push-notifications.module.js';
import { RateLimits } from './rate-limits/rate-limits.js';
import { UsersModule } from './users/users.module.js';

export interface AppParts {
  database: Database;
  encryptionKeys: readonly EncryptionKey[];
  /** Start value of a credential's admission window, pushes. */
  credentialWindow: number;
  queue: QueueAccess;
  rateLimits: RateLimits;
  /** How long to wait for a worker to check a credential. */
  checkTimeoutMs: number;
  /** Without a trailing slash; absent: http://localhost and the port that was taken. */
  publicUrl: string | undefined;
  leaving: Leaving;
  logger: Logger;
}

@Global()
@Module({})
export class AppModule {
  static of(parts: AppParts): DynamicModule {
    const { database, encryptionKeys } = parts;
    const box = new SecretBox(encryptionKeys);
    const credentials = new CredentialRepository(database, box, parts.credentialWindow);
    const apiKeys = new ApiKeyRepository(database);
    const authenticator = new Authenticator(new AccountRepository(database), apiKeys);
    const shared = [
      { provide: Database, useValue: database },
      { provide: ApiKeyRepository, useValue: apiKeys },
      { provide: AppRepository, useValue: new AppRepository(database) },
      { provide: CredentialRepository, useValue: credentials },
      { provide: DeviceRepository, useValue: new DeviceRepository(database) },
      { provide: UserRepository, useValue: new UserRepository(database) },
      { provide: OperationRepository, useValue: new OperationRepository(database) },
      { provide: PushNotificationRepository, useValue: new PushNotificationRepository(database) },
      { provide: CancelRepository, useValue: new CancelRepository(database) },
      { provide: RedriveRepository, useValue: new RedriveRepository(database) },
      { provide: OperationErrorsRepository, useValue: new OperationErrorsRepository(database) },
      { provide: DispatchSignal, useValue: new DispatchSignal(database) },
      { provide: Authenticator, useValue: authenticator },
      { provide: RateLimits, useValue: parts.rateLimits },
      { provide: PageTokens, useValue: new PageTokens(encryptionKeys) },
      {
        provide: CredentialChecks,
        useValue: new CredentialChecks(parts.queue, parts.checkTimeoutMs),
      },
      { provide: Leaving, useValue: parts.leaving },
      { provide: PublicUrl, useValue: new PublicUrl(parts.publicUrl) },
    ];
    return {
      module: AppModule,
      imports: [
        LoggerModule.forRoot(requestLogging(parts.logger)),
        OperationsModule,
        CommandsModule,
        CredentialsModule,
        DeviceRegistrationsModule,
        AppsModule,
        UsersModule,
        ApiKeysModule,
        PushNotificationsModule,
        HealthModule,
      ],
      providers: [
        ...shared,
        { provide: APP_FILTER, useClass: ErrorFilter },
        { provide: APP_INTERCEPTOR, useClass: AllFaultsInterceptor },
      ],
      exports: shared.map(({ provide }) => provide),
    };
  }
}
