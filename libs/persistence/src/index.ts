export { AccountRepository } from './account.repository.js';
export {
  AdmissionRepository,
  type BusyCredentials,
  type Crew,
  type Probe,
} from './admission.repository.js';
export { ApiKeyRepository } from './api-key.repository.js';
export {
  ApnsTokenRepository,
  type ApnsTokenKey,
  type SignedToken,
} from './apns-token.repository.js';
export { AppRepository } from './app.repository.js';
export { AuditRepository, type Audit } from './audit.repository.js';
export { CancelRepository } from './cancel.repository.js';
export { CredentialRepository, type OpenedCredential } from './credential.repository.js';
export { DatabaseClock } from './database-clock.js';
export { Database, type DatabaseOptions } from './database.js';
export { DeadTokenRepository, type DeadToken, type SentToken } from './dead-token.repository.js';
export {
  claimName,
  DeliveryRepository,
  isBadRow,
  type ClaimedPush,
  type ClaimResult,
  type NotClaimed,
  type PushSettlement,
  type Settled,
  type SharedSettings,
} from './delivery.repository.js';
export { DeviceRepository } from './device.repository.js';
export { DispatchListener, DispatchSignal } from './dispatch-signal.js';
export {
  DISPATCH_LANES,
  DispatchRepository,
  NOBODY_SLOWED,
  SPARSE_BURST,
  type Dispatch,
  type DispatchChunk,
  type DispatchLane,
  type Slowed,
  type SlowedInLane,
  type Turns,
} from './dispatch.repository.js';
export { MAX_WINDOW, WHOLE, type Shares } from './credential-windows.js';
export { countPushes, type DeviceCounts, type Expansion } from './expansion.js';
export { ExpireRepository, type ExpireOptions, type Expiry } from './expire.repository.js';
export { OperationRepository } from './operation.repository.js';
export { PartitionRepository, type Retired } from './partition.repository.js';
export * from './ports.js';
export { PushNotificationRepository } from './push-notification.repository.js';
export { OperationErrorsRepository } from './operation-errors.repository.js';
export { RedriveRepository } from './redrive.repository.js';
export { RetentionRepository, type Forgotten } from './retention.repository.js';
export { ScheduleRepository } from './schedule.repository.js';
export { SecretBox, SecretDoesNotOpen, type EncryptionKey } from './secret-box.js';
export {
  SweepPass,
  SweepRepository,
  type LostPush,
  type Round,
  type Rounds,
} from './sweep.repository.js';
export { UserRepository } from './user.repository.js';
