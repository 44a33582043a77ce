/**
 * The pure functions that the api may use: credentials at upload, sizes for Preflight. Nothing in
 * these files opens a connection.
 */
export { parseApnCredential } from './apns/credential.js';
export { apnsPayloadSize, forbiddenApnsOverride } from './apns/payload.js';
export type { CheckedCredential, CredentialCheck, CredentialFault } from './checked-credential.js';
export { parseFcmCredential } from './fcm/credential.js';
export { FCM_PAYLOAD_LIMIT, fcmPayloadSize, forbiddenFcmOverride } from './fcm/payload.js';
export type { ApnCredentialContent, FcmCredentialContent, Message } from './port.js';
