import type { From } from '@app/contract';
import { PROVIDERS, providerOfCredential } from '@app/domain';
import type { Credential, Fault, ProviderKind, Uuid } from '@app/domain';
import type { CredentialSelector } from '@app/persistence';

export interface ChosenCredentials {
  /** All that `from` gives, also where no recipient is known to need it: users have devices of any kind. */
  credentials: Partial<Record<ProviderKind, Uuid>>;
  /** The App in force; null when none can be told. */
  appName: string | null;
  faults: Fault[];
}

const MEMBER = { FCM: 'fcm', APN: 'apn' } as const satisfies Record<ProviderKind, string>;

/** Which credentials have to be looked up for a send. */
export function selectorOf(from: From | undefined): CredentialSelector {
  if (from === undefined) return { defaultApp: true };
  if (from.appName !== undefined) return { appName: from.appName };
  return { credentialIds: [from.fcm, from.apn].filter((id) => id !== undefined) };
}

/**
 * Which credential each provider is sent with. `from` names all that the send needs: nothing of the
 * default App is mixed in, and credentials of two Apps are a fault.
 *
 * @param found what the selector found, in any order.
 * @param needed providers that `to` has tokens of. Devices of users need none: what no credential is
 *   there for is not usable.
 */
export function chooseCredentials(
  from: From | undefined,
  found: readonly Credential[],
  needed: ReadonlySet<ProviderKind>,
): ChosenCredentials {
  const named = from !== undefined && from.appName === undefined;
  const { byProvider, faults } = named ? byId(from, found) : byDefault(from, found);
  const chosen = PROVIDERS.flatMap((provider) => byProvider[provider] ?? []);
  const [first] = chosen;
  const oneApp = chosen.every(({ appName }) => appName === first?.appName);
  // A fault already says why a credential is not there.
  if (faults.length === 0) {
    for (const provider of needed) {
      if (byProvider[provider] !== undefined) continue;
      faults.push({ message: missing(provider, from), context: '$.from' });
    }
  }
  return {
    credentials: Object.fromEntries(
      chosen.map(({ id, credentialType }) => [providerOfCredential(credentialType), id]),
    ),
    appName: first === undefined || !oneApp ? null : first.appName,
    faults,
  };
}

interface Found {
  byProvider: Partial<Record<ProviderKind, Credential>>;
  faults: Fault[];
}

function byId(from: From, found: readonly Credential[]): Found {
  const byProvider: Found['byProvider'] = {};
  const faults: Fault[] = [];
  for (const provider of PROVIDERS) {
    const member = MEMBER[provider];
    const id = from[member];
    if (id === undefined) continue;
    const context = `$.from.${member}`;
    const credential = found.find((candidate) => candidate.id === id);
    if (credential === undefined) {
      faults.push({ message: 'There is no such credential.', context });
    } else if (providerOfCredential(credential.credentialType) !== provider) {
      const message = `This credential is of type ${credential.credentialType}.`;
      faults.push({ message, context });
    } else {
      byProvider[provider] = credential;
    }
  }
  const { FCM: fcm, APN: apn } = byProvider;
  if (fcm !== undefined && apn !== undefined && fcm.appName !== apn.appName) {
    faults.push({ message: 'The credentials belong to two Apps.', context: '$.from' });
  }
  return { byProvider, faults };
}

function byDefault(from: From | undefined, found: readonly Credential[]): Found {
  if (found.length === 0) {
    return {
      byProvider: {},
      faults: [
        from === undefined
          ? { message: 'The account has no default App.', context: '$.from' }
          : { message: 'There is no such App.', context: '$.from.appName' },
      ],
    };
  }
  const byType = (type: Credential['credentialType']) =>
    found.find(({ credentialType }) => credentialType === type);
  const fcm = byType('FCM');
  // With defaults of both environments, production is meant.
  const apn = byType('APN') ?? byType('APN_SANDBOX');
  return {
    byProvider: { ...(fcm && { FCM: fcm }), ...(apn && { APN: apn }) },
    faults: [],
  };
}

function missing(provider: ProviderKind, from: From | undefined): string {
  const recipients = `There are ${provider} recipients, but`;
  if (from === undefined) return `${recipients} the default App has no ${provider} credential.`;
  if (from.appName !== undefined) return `${recipients} the App has no ${provider} credential.`;
  return `${recipients} no ${MEMBER[provider]} credential is named.`;
}
