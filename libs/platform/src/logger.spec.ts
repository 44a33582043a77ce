import { describe, expect, it } from '@jest/globals';
import { createLogger } from './logger.js';

function capture(level = 'info') {
  const lines: string[] = [];
  const logger = createLogger({ level, name: 'test' }, { write: (line) => lines.push(line) });
  return { lines, logger, last: () => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> };
}

describe('createLogger', () => {
  it('respects its level and names the process, children included', () => {
    const { lines, logger, last } = capture('warn');
    logger.info('quiet');
    expect(lines).toEqual([]);
    logger.child({ queue: 'deliver-fcm' }).warn('loud');
    expect(last()).toMatchObject({ name: 'test', queue: 'deliver-fcm', msg: 'loud' });
  });

  it('redacts secrets and device tokens wherever they are likely to stand', () => {
    const { lines, logger } = capture();
    logger.info({
      authorization: 'S3CRET',
      req: { headers: { authorization: 'S3CRET', cookie: 'S3CRET', host: 'h' } },
      to: { token: 'S3CRET' },
      credential: { content: { privateKey: 'S3CRET', signingKey: 'S3CRET' } },
      config: { encryptionKeys: [{ id: 'a', key: 'S3CRET' }] },
    });
    expect(lines[0]).not.toContain('S3CRET');
    expect(lines[0]).toContain('"host":"h"');
    expect(lines[0]).toContain('[redacted]');
  });

  it('logs an error by its name, message, code, stack and cause, and nothing else of it', () => {
    const { lines, logger, last } = capture();
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', detail: 'S3CRET' });
    const err = Object.assign(new TypeError('send failed', { cause }), {
      config: { headers: { Authorization: 'Bearer S3CRET' }, body: 'S3CRET' },
    });
    logger.error({ err }, 'Failed');
    expect(lines[0]).not.toContain('S3CRET');
    expect(last()).toMatchObject({
      err: {
        type: 'TypeError',
        message: 'send failed',
        stack: expect.stringContaining('TypeError: send failed'),
        cause: { message: 'refused', code: 'ECONNREFUSED' },
      },
    });
  });

  it('logs what was thrown but is no error as it is', () => {
    const { logger, last } = capture();
    logger.error({ err: 'plain' });
    expect(last()).toMatchObject({ err: 'plain' });
  });
});
