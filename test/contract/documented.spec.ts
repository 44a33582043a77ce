import { describe, expect, it } from '@jest/globals';
import { checkDocumented, endpointOf, type Answer } from './documented.js';

const OPERATIONS = '/v1/PushNotifications/Operations';
const ID = 'comms_operation_01h2xcejqtf2nbrexx3vqjhp41';
const location = `https://push.example${OPERATIONS}/${ID}`;

const head = { 'content-type': 'application/json; charset=utf-8', 'x-request-id': 'r' };
const accepted = (): Answer => ({
  status: 202,
  headers: new Headers({ ...head, location }),
  body: { resourceId: ID, resourceLocation: location },
});
const refused = (status: number, code: number, more: Record<string, string> = {}): Answer => ({
  status,
  headers: new Headers({ ...head, ...more }),
  body: { code, message: 'M', status, errors: [] },
});

describe('an answer inside the document', () => {
  it.each<[string, string, string, Answer]>([
    ['a change', 'DELETE', `${OPERATIONS}/${ID}`, accepted()],
    ['an unknown id', 'GET', `${OPERATIONS}/x`, refused(404, 20404)],
    ['an unknown path', 'GET', '/v1/Nothing', refused(404, 20404)],
    ['not now', 'GET', OPERATIONS, refused(503, 20503, { 'retry-after': '1' })],
    ['a page of no JSON elsewhere', 'GET', '/docs', { ...accepted(), body: '<html>' }],
  ])('%s is let through', (_, method, path, answer) => {
    expect(() => checkDocumented(method, path, answer)).not.toThrow();
  });
});

describe('an answer outside the document', () => {
  const without = (name: string, answer: Answer): Answer => {
    answer.headers.delete(name);
    return answer;
  };
  const holding = (body: object): Answer => ({ ...accepted(), body });
  const faulty = { ...refused(400, 70002), body: { code: 70002, message: 'M', status: 400 } };

  it.each<[string, string, string, Answer, RegExp]>([
    ['a status', 'GET', `${OPERATIONS}/${ID}`, refused(409, 20409), /status 409 is not documented/],
    [
      'a field',
      'DELETE',
      `${OPERATIONS}/${ID}`,
      holding({ ...accepted().body, x: 1 }),
      /additional/,
    ],
    [
      'no request id',
      'GET',
      OPERATIONS,
      without('x-request-id', refused(400, 70002)),
      /X-Request-Id/,
    ],
    [
      'no Location',
      'DELETE',
      `${OPERATIONS}/${ID}`,
      without('location', accepted()),
      /Location is/,
    ],
    ['no Retry-After', 'GET', OPERATIONS, refused(503, 20503), /Retry-After is missing/],
    ['a bad one', 'GET', OPERATIONS, refused(503, 20503, { 'retry-after': 'x' }), /Retry-After:/],
    ['another code', 'GET', `${OPERATIONS}/x`, refused(404, 20400), /code 20400/],
    ['an error without errors', 'GET', OPERATIONS, faulty, /errors/],
    ['a success nowhere', 'GET', '/v1/Nothing', accepted(), /no endpoint/],
    ['no JSON', 'GET', OPERATIONS, without('content-type', accepted()), /content-type/],
  ])('%s is told', (_, method, path, answer, fault) => {
    expect(() => checkDocumented(method, path, answer)).toThrow(fault);
  });

  it('Location elsewhere is told', () => {
    const answer = accepted();
    answer.headers.set('location', `${location}x`);
    expect(() => checkDocumented('DELETE', `${OPERATIONS}/${ID}`, answer)).toThrow(/Location/);
  });
});

describe('a path', () => {
  it.each([
    ['GET', OPERATIONS, OPERATIONS],
    ['GET', `${OPERATIONS}/x`, `${OPERATIONS}/{operationId}`],
    ['GET', '/v1/PushNotifications/x', '/v1/PushNotifications/{pushNotificationId}'],
    [
      'POST',
      '/v1/PushNotifications/x/Redrive',
      '/v1/PushNotifications/{pushNotificationId}/Redrive',
    ],
    ['PATCH', '/v1/PushNotifications', undefined],
    ['GET', '/v1/PushNotifications/', '/v1/PushNotifications/{pushNotificationId}'],
  ])('%s %s is of %s', (method, path, expected) => {
    expect(endpointOf(method, path)?.path).toBe(expected);
  });
});
