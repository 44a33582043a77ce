export { QueueUnavailable, countJobs } from './connection.js';
export type { DeliveryQueue, QueueConfig, QueueConnection, QueueCounts } from './connection.js';
export { createQueueConnection } from './create-connection.js';
export { CheckRequests } from './check-requests.js';
export { CheckConsumer } from './check-consumer.js';
export { DeliveryConsumer, createDeliveryConsumer } from './consumer.js';
export type { DeliveryConsumerOptions, DeliveryProcessor } from './consumer.js';
export * from './jobs.js';
export { DeliveryProducer } from './producer.js';
