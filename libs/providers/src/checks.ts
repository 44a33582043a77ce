/**
 * The pure functions that the api may use: credentials at upload, sizes for Preflight. Nothing in
 * these files opens a connection.
 */
export { apnTopicOf, parseApnCredential } from './apns/credential.js';
export {
  APNS_PAYLOAD_LIMIT,
  APNS_VOIP_PAYLOAD_LIMIT,
  apnsPayloadSize,
  forbiddenApnsHeaders,
} from './apns/payload.js';
export type { CheckedCredential, CredentialCheck, CredentialFault } from './checked-credential.js';
export { parseFcmCredential } from './fcm/credential.js';
export { FCM_PAYLOAD_LIMIT, fcmPayloadSize, forbiddenFcmOverrides } from './fcm/payload.js';
export type { ApnCredentialContent, FcmCredentialContent, Message } from './port.js';
