export * from './clock.js';
export * from './outcome.js';
export * from './retry-policy.js';
export * from './credential.js';
export * from './errors.js';
export * from './ids.js';
export * from './operation.js';
export * from './push-notification.js';
