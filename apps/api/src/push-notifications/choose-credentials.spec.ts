import { describe, expect, it } from '@jest/globals';
import type { Credential, CredentialType, ProviderKind } from '@app/domain';
import { chooseCredentials, selectorOf } from './choose-credentials.js';

const credential = (id: string, credentialType: CredentialType, appName = 'shop'): Credential => ({
  id,
  appName,
  credentialType,
  isDefault: true,
  fingerprint: '',
  expiresAt: null,
  status: 'OK',
  statusReason: null,
  createdAt: new Date(0),
  updatedAt: new Date(0),
});
const fcm = credential('f', 'FCM');
const apn = credential('a', 'APN');
const sandbox = credential('s', 'APN_SANDBOX');
const both = new Set<ProviderKind>(['FCM', 'APN']);
const only = (provider: ProviderKind) => new Set([provider]);

const contexts = ({ faults }: ReturnType<typeof chooseCredentials>) =>
  faults.map(({ context }) => context);

describe('selectorOf', () => {
  it('asks for what from names, else for the default App', () => {
    expect(selectorOf(undefined)).toEqual({ defaultApp: true });
    expect(selectorOf({ appName: 'shop' })).toEqual({ appName: 'shop' });
    expect(selectorOf({ fcm: 'f' })).toEqual({ credentialIds: ['f'] });
    expect(selectorOf({ fcm: 'f', apn: 'a' })).toEqual({ credentialIds: ['f', 'a'] });
  });
});

describe('chooseCredentials', () => {
  it('takes the named ones', () => {
    const chosen = chooseCredentials({ fcm: 'f', apn: 's' }, [sandbox, fcm], both);
    expect(chosen).toEqual({ credentials: { FCM: 'f', APN: 's' }, appName: 'shop', faults: [] });
  });

  it('takes the defaults, production before sandbox', () => {
    for (const from of [undefined, { appName: 'shop' }]) {
      expect(chooseCredentials(from, [sandbox, apn, fcm], both)).toEqual({
        credentials: { FCM: 'f', APN: 'a' },
        appName: 'shop',
        faults: [],
      });
      expect(chooseCredentials(from, [sandbox], only('APN')).credentials).toEqual({ APN: 's' });
    }
  });

  it('gives what no token needs too, for the devices of users', () => {
    expect(chooseCredentials(undefined, [apn, fcm], only('FCM')).credentials).toEqual({
      FCM: 'f',
      APN: 'a',
    });
    expect(chooseCredentials({ apn: 's' }, [sandbox], new Set())).toEqual({
      credentials: { APN: 's' },
      appName: 'shop',
      faults: [],
    });
  });

  it('knows no App where credentials of two are named, or none is found', () => {
    const other = credential('a', 'APN', 'other');
    expect(chooseCredentials({ fcm: 'f', apn: 'a' }, [fcm, other], both).appName).toBeNull();
    expect(chooseCredentials({ fcm: 'x' }, [], new Set()).appName).toBeNull();
    expect(chooseCredentials(undefined, [], new Set()).appName).toBeNull();
  });

  it('refuses an unknown credential at its member', () => {
    expect(contexts(chooseCredentials({ fcm: 'f', apn: 'x' }, [fcm], both))).toEqual([
      '$.from.apn',
    ]);
    expect(contexts(chooseCredentials({ fcm: 'x' }, [], only('FCM')))).toEqual(['$.from.fcm']);
  });

  it('refuses a credential whose type does not fit its member', () => {
    expect(contexts(chooseCredentials({ fcm: 'a' }, [apn], only('FCM')))).toEqual(['$.from.fcm']);
    expect(contexts(chooseCredentials({ apn: 'f' }, [fcm], only('APN')))).toEqual(['$.from.apn']);
    expect(contexts(chooseCredentials({ fcm: 'f', apn: 'f' }, [fcm], both))).toEqual([
      '$.from.apn',
    ]);
  });

  it('refuses credentials of two Apps', () => {
    const other = credential('a', 'APN', 'other');
    expect(contexts(chooseCredentials({ fcm: 'f', apn: 'a' }, [fcm, other], both))).toEqual([
      '$.from',
    ]);
  });

  it('mixes nothing of the default App in', () => {
    expect(contexts(chooseCredentials({ fcm: 'f' }, [fcm], both))).toEqual(['$.from']);
  });

  it('refuses an App that is not there or lacks a provider', () => {
    expect(contexts(chooseCredentials({ appName: 'nope' }, [], both))).toEqual(['$.from.appName']);
    expect(contexts(chooseCredentials(undefined, [], both))).toEqual(['$.from']);
    expect(contexts(chooseCredentials(undefined, [fcm], both))).toEqual(['$.from']);
    expect(contexts(chooseCredentials({ appName: 'shop' }, [apn], both))).toEqual(['$.from']);
  });
});
