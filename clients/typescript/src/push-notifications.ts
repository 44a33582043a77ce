import type {
  ListOperationErrorsQuery,
  ListOperationsQuery,
  ListPushNotificationsQuery,
  Operation,
  OperationError,
  OperationErrorList,
  OperationList,
  Preflight,
  PushNotification,
  PushNotificationDetail,
  PushNotificationList,
  ResourceAccepted,
  Send,
  SendAccepted,
} from './contract.js';
import type { Listing } from './listing.js';
import { pathOf } from './requests.js';
import type { OnceOptions, Query, Requests } from './requests.js';
import type { CallOptions } from './transport.js';

const ROOT = 'PushNotifications';

const operation = (id: string, ...more: string[]) => pathOf(ROOT, 'Operations', id, ...more);

export class PushNotifications {
  constructor(private readonly requests: Requests) {}

  /** Accepted once the operation and every recipient are durable. A repetition cannot double it. */
  send(send: Send, options?: OnceOptions): Promise<SendAccepted> {
    return this.requests.once(ROOT, send, options);
  }

  /** What a send would do to each recipient; nothing is sent. */
  preflight(send: Send, options?: CallOptions): Promise<Preflight> {
    return this.requests.ask(`${ROOT}/Preflight`, send, options);
  }

  /** Newest first. */
  list(
    query: Query<ListPushNotificationsQuery> = {},
    options?: CallOptions,
  ): Listing<PushNotificationList, PushNotification> {
    return this.requests.list(
      ROOT,
      query,
      ({ pushNotifications }: PushNotificationList) => pushNotifications,
      options,
    );
  }

  fetch(id: string, options?: CallOptions): Promise<PushNotificationDetail> {
    return this.requests.get(pathOf(ROOT, id), options);
  }

  /** @throws FanfareError with status 409 when it is too late. */
  cancel(id: string, options?: CallOptions): Promise<ResourceAccepted> {
    return this.requests.change('DELETE', pathOf(ROOT, id), undefined, options);
  }

  /** Sends a failed push again, as the same resource. */
  redrive(id: string, options?: OnceOptions): Promise<ResourceAccepted> {
    return this.requests.once(pathOf(ROOT, id, 'Redrive'), undefined, options);
  }

  /** Newest first. */
  listOperations(
    query: Query<ListOperationsQuery> = {},
    options?: CallOptions,
  ): Listing<OperationList, Operation> {
    return this.requests.list(
      `${ROOT}/Operations`,
      query,
      ({ operations }: OperationList) => operations,
      options,
    );
  }

  fetchOperation(id: string, options?: CallOptions): Promise<Operation> {
    return this.requests.get(operation(id), options);
  }

  /** Cancels what is not sent yet. @throws FanfareError with status 409 when nothing is left. */
  cancelOperation(id: string, options?: CallOptions): Promise<ResourceAccepted> {
    return this.requests.change('DELETE', operation(id), undefined, options);
  }

  /** Who got nothing, and why. */
  operationErrors(
    id: string,
    query: Query<ListOperationErrorsQuery> = {},
    options?: CallOptions,
  ): Listing<OperationErrorList, OperationError> {
    return this.requests.list(
      operation(id, 'Errors'),
      query,
      ({ errors }: OperationErrorList) => errors,
      options,
    );
  }

  /** Sends again what failed, as the same resources. */
  redriveOperation(id: string, options?: OnceOptions): Promise<ResourceAccepted> {
    return this.requests.once(operation(id, 'Redrive'), undefined, options);
  }
}
