import { describe, expect, it } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { z } from 'zod';
import * as contract from './index.js';
import { ApiKeyCreate, CredentialCreate, CredentialOfNoType, Register, Send } from './index.js';

const said = (schema: z.ZodType, value: unknown) =>
  Object.fromEntries(
    flat(schema.safeParse(value).error?.issues ?? []).map(({ path, message }) => [
      path.join('.'),
      message,
    ]),
  );

/** With the issues of a union's alternatives. */
const flat = (issues: z.core.$ZodIssue[], base: PropertyKey[] = []): z.core.$ZodIssue[] =>
  issues.flatMap((issue) => {
    const path = [...base, ...issue.path];
    return issue.code === 'invalid_union' && issue.errors.length > 0
      ? issue.errors.flatMap((each) => flat(each, path))
      : [{ ...issue, path }];
  });

describe('the words of a fault', () => {
  it.each([
    ['a string', z.string(), 5, 'Expected a string.'],
    ['a string that is not there', z.string(), undefined, 'A string is required.'],
    ['null', z.string(), null, 'Expected a string.'],
    ['an object', z.strictObject({}), [], 'Expected an object.'],
    ['a body that is not there', z.strictObject({}), undefined, 'An object is required.'],
    ['an array', z.array(z.string()), {}, 'Expected an array.'],
    ['a boolean', z.boolean(), 'true', 'Expected a boolean.'],
    ['a number', z.int(), '1', 'Expected a number.'],
    ['a whole number', z.int(), 1.5, 'Expected a whole number.'],
    ['a choice', z.enum(['FCM', 'APN']), 'X', 'Expected FCM or APN.'],
    ['a choice of three', z.enum(['A', 'B', 'C']), undefined, 'A, B, or C is required.'],
    ['one value', z.literal('FCM'), 'X', 'Expected FCM.'],
    ['a short text', z.string().min(1), '', 'Expected at least 1 character.'],
    ['a long text', z.string().max(2), 'abc', 'Expected at most 2 characters.'],
    ['a short array', z.array(z.int()).min(2), [], 'Expected at least 2 items.'],
    ['a long array', z.array(z.int()).max(1), [1, 2], 'Expected at most 1 item.'],
    ['a small number', z.int().min(0), -1, 'Expected at least 0.'],
    ['a large number', z.int().max(9), 10, 'Expected at most 9.'],
    ['an unsafe number', z.int(), 2 ** 60, `Expected at most ${Number.MAX_SAFE_INTEGER}.`],
    ['a form', z.string().regex(/^a$/), 'b', 'Expected text of the form /^a$/.'],
    ['a format', z.url(), 'b', 'Expected text of the form url.'],
    ['a multiple', z.number().multipleOf(5), 3, 'Expected a multiple of 5.'],
    ['an unknown field', z.strictObject({}), { a: 1 }, 'This field is unknown.'],
    ['anything else', z.custom(() => false), 1, 'This value is not allowed.'],
    ['a key', z.record(z.string().max(1), z.int()), { ab: 1 }, 'This value is not allowed.'],
  ])('are ours: %s', (_name, schema, value, sentence) => {
    expect(schema.safeParse(value).error?.issues[0]?.message).toBe(sentence);
  });

  it('leave a schema its own', () => {
    expect(z.string('Mine.').safeParse(1).error?.issues[0]?.message).toBe('Mine.');
  });

  it('are those of the contract', () => {
    expect(said(Send, {})).toEqual({
      to: 'An array is required.',
      content: 'An object is required.',
    });
    const to = [{ userId: 'me' }];
    const schedule = { sendAt: 5 };
    expect(said(Send, { to, content: { body: 'b' }, schedule })).toMatchObject({
      'to.0.userId': 'Unknown id: expected comms_pushnotificationuser_… of 26 characters.',
      'schedule.sendAt': expect.stringMatching(/^Expected one date-time such as /),
    });
    expect(said(Register, { token: '', provider: 'fcm' })).toEqual({
      appName: 'A string is required.',
      token: 'Expected at least 1 character.',
      provider: 'Expected FCM or APN.',
    });
    expect(said(ApiKeyCreate, { name: 'a', scopes: ['all'] })).toEqual({
      'scopes.0': 'Expected send, read, or manage.',
    });
  });

  it('name the types of credentials, whether one is given or not', () => {
    expect(said(CredentialCreate, {})).toEqual({
      credentialType: 'FCM, APN, or APN_SANDBOX is required.',
    });
    expect(said(CredentialCreate, { credentialType: 'GCM' })).toEqual({
      credentialType: 'Expected FCM, APN, or APN_SANDBOX.',
    });
    expect(said(CredentialOfNoType, { appName: 'a' })).toEqual({
      content: 'An object is required.',
    });
  });

  it('are nowhere Zod’s, whatever the contract is given', () => {
    const given = [undefined, null, 0, 1.5, '', 'x', [], [[]], {}, { to: [{}] }, true];
    const schemas = Object.values(contract).filter((each) => each instanceof z.ZodType);
    expect(schemas.length).toBeGreaterThan(readdirSync(import.meta.dirname).length / 2);
    const fields = schemas.flatMap((schema) =>
      schema instanceof z.ZodObject ? [schema, ...Object.values(schema.shape)] : [schema],
    ) as z.ZodType[];
    for (const schema of fields) {
      for (const value of given) {
        for (const { message } of flat(schema.safeParse(value).error?.issues ?? [])) {
          expect(message).toMatch(/[.;]$/);
          expect(message).not.toMatch(/Invalid (input|option|string)|Too (big|small)|received/);
        }
      }
    }
  });
});
