export * from './clock.js';
export * from './outcome.js';
export * from './retry-policy.js';
