import { describe, expect, it } from '@jest/globals';
import { ErrorBody } from '@app/contract';
import { Conflict, InvalidRequest, NotFound, Unauthorized, Unavailable } from '@app/domain';
import { BadRequestException, NotFoundException } from '@nestjs/common';
import { answerOf } from './answer.js';

const fastifyError = (code: string, statusCode: number, message = 'internal words') =>
  Object.assign(new Error(message), { code, statusCode });

describe('answerOf', () => {
  it('gives our own errors their code, status and faults', () => {
    const faults = [{ message: 'Wrong.', context: '$.a' }];
    expect(answerOf(new InvalidRequest(faults)).body).toEqual({
      code: 70002,
      message: 'Wrong.',
      status: 400,
      errors: [{ code: 70002, message: 'Wrong.', context: '$.a' }],
    });
    expect(answerOf(new NotFound('Gone.')).body).toEqual({
      code: 20404,
      message: 'Gone.',
      status: 404,
      errors: [],
    });
    expect(answerOf(new NotFound('No such App.', '$.appName')).body.errors).toEqual([
      { code: 20404, message: 'No such App.', context: '$.appName' },
    ]);
    expect(answerOf(new Conflict('Full.')).status).toBe(409);
  });

  it('adds the headers that belong to a status', () => {
    expect(answerOf(new Unauthorized('No.')).headers['www-authenticate']).toMatch(/^Basic /);
    expect(answerOf(new Unavailable('Later.', 7)).headers).toEqual({ 'retry-after': '7' });
  });

  it.each([
    [fastifyError('FST_ERR_CTP_BODY_TOO_LARGE', 413), 413, 20413],
    [fastifyError('FST_ERR_CTP_INVALID_MEDIA_TYPE', 415), 415, 20415],
    [fastifyError('FST_ERR_CTP_INVALID_JSON_BODY', 400), 400, 70002],
    [fastifyError('FST_ERR_BAD_URL', 400), 404, 20404],
    [fastifyError('FST_ERR_MAX_PARAM_LENGTH', 414), 404, 20404],
    [new NotFoundException('internal words'), 404, 20404],
    [new BadRequestException('internal words'), 400, 70002],
    [fastifyError('X', 500), 500, 20500],
    [new Error('internal words'), 500, 20500],
    [{ statusCode: 200 }, 500, 20500],
    ['a string', 500, 20500],
    [undefined, 500, 20500],
  ])('%p → %d', (error, status, code) => {
    const { body, unexpected } = answerOf(error);
    expect(ErrorBody.parse(body)).toMatchObject({ status, code });
    expect(unexpected).toBe(status === 500);
    expect(body.errors).toHaveLength(status === 400 ? 1 : 0);
    expect(JSON.stringify(body)).not.toContain('internal words');
  });
});
