import { mkdtemp, rm } from 'node:fs/promises';
import type { Server as HttpServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Apns } from './apns/apns.js';
import { ProviderTokens } from './apns/provider-tokens.js';
import {
  type Behaviour,
  type BehaviourChange,
  behaviourChangeSchema,
  changeBehaviour,
  defaultBehaviour,
  type ServerName,
  serverNames,
} from './behaviour.js';
import { issueServerCertificate } from './certificates.js';
import { type Controls, createControlServer } from './control.js';
import { CredentialStore, type ReadyCredentials } from './credentials.js';
import type { Exchange } from './exchange.js';
import { AccessTokens } from './google/access-tokens.js';
import { Fcm } from './google/fcm.js';
import { TokenEndpoint } from './google/token-endpoint.js';
import { LedgerFile } from './ledger-file.js';
import { Ledger } from './ledger.js';
import { type ConnectionCounts, ProviderServer } from './provider-server.js';
import { Stage } from './stage.js';

export interface SimulatorOptions {
  /** Where its CA and credentials stay; absent: a temp folder that goes with it. */
  dir?: string;
  host?: string;
  publicHost?: string;
  controlHost?: string;
  /** 0 or absent: a free one. */
  fcmPort?: number;
  apnsPort?: number;
  apnsSandboxPort?: number;
  controlPort?: number;
  ledgerCap?: number;
  ledgerBodies?: number;
  /** Every request is appended to this file before its answer leaves. */
  ledgerFile?: string | undefined;
}

/** A running simulator. */
export interface Simulator {
  fcmOrigin: string;
  tokenUrl: string;
  apnsOrigin: string;
  apnsSandboxOrigin: string;
  controlOrigin: string;
  /** PEM file of the CA that signed the servers' certificate… */
  caFile: string;
  /** …and its content. */
  ca: string;
  ledger: Ledger;
  /** Content for Credential create; another name is another customer of Google and Apple. */
  credentials(name?: string): Promise<ReadyCredentials>;
  /** As `PUT /behaviour`. */
  behave(change: BehaviourChange): void;
  /** As `DELETE /behaviour`. */
  resetBehaviour(): void;
  connections(): Record<ServerName, ConnectionCounts>;
  /** Access tokens minted so far. */
  mints(): number;
  /** As `DELETE /ledger`: forgets what arrived, and how often each token had its trouble. */
  clear(): void;
  /** As `DELETE /tokens/access`: every bearer handed out is worthless from now on. */
  forgetAccessTokens(): void;
  /** As `DELETE /tokens/provider`: an APNs JWT with any `iat` may come next. */
  forgetProviderTokens(): void;
  /** Cuts every connection and gives all ports back. */
  stop(): Promise<void>;
}

/**
 * Starts FCM, Google's token endpoint, both APNs environments and the control port.
 *
 * @throws Error when a port is taken or the directory holds something damaged.
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const host = options.host ?? '127.0.0.1';
  const publicHost = options.publicHost ?? 'localhost';
  const temporary =
    options.dir === undefined ? await mkdtemp(join(tmpdir(), 'fanfare-simulator-')) : undefined;
  const closing: (() => Promise<void>)[] = [];
  /** When no request can arrive any more. */
  const last: (() => void)[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(closing.splice(0).map((close) => close()));
    for (const close of last.splice(0)) close();
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  };

  try {
    const credentials = await CredentialStore.open(temporary ?? options.dir ?? '');
    const identity = await issueServerCertificate(credentials.authority, publicHost);
    const file = options.ledgerFile === undefined ? undefined : new LedgerFile(options.ledgerFile);
    if (file !== undefined) last.push(() => file.close());
    const ledger = new Ledger(options.ledgerCap, options.ledgerBodies, (entry) =>
      file?.append(entry),
    );

    let behaviour = defaultBehaviour();
    const now = (): number => Date.now() / 1_000 + behaviour.clockOffsetSeconds;
    const stage = new Stage(ledger, () => behaviour);
    stage.remember(file?.earlier ?? []);
    const accessTokens = new AccessTokens();
    const providerTokens = new ProviderTokens(credentials, now);

    const endpoint = new TokenEndpoint(
      credentials,
      accessTokens,
      now,
      () => behaviour.tokenEndpoint,
    );
    const fcm = new Fcm(stage, credentials, accessTokens, endpoint, now);
    const apns = (name: 'apns' | 'apnsSandbox'): Apns =>
      new Apns({
        name,
        stage,
        tokens: providerTokens,
        maxConcurrentStreams: () => behaviour[name].maxConcurrentStreams,
      });
    const handlers = { fcm, apns: apns('apns'), apnsSandbox: apns('apnsSandbox') };
    const server = (name: ServerName): ProviderServer =>
      new ProviderServer({
        name,
        identity,
        authority: credentials.authority.certificate,
        http1: name === 'fcm',
        apns: name !== 'fcm',
        behaviour: behaviour[name],
        handle: (exchange: Exchange) => {
          handlers[name].handle(exchange);
        },
      });
    const servers = {
      fcm: server('fcm'),
      apns: server('apns'),
      apnsSandbox: server('apnsSandbox'),
    };
    const adopt = (next: Behaviour): Behaviour => {
      behaviour = next;
      for (const name of serverNames) servers[name].behave(next[name]);
      return next;
    };

    const controls: Controls = {
      ledger,
      credentials: (name) => credentials.ready(name),
      behaviour: () => behaviour,
      behave: (change) => adopt(changeBehaviour(behaviour, change)),
      resetBehaviour: () => adopt(defaultBehaviour()),
      connections: () => ({
        fcm: servers.fcm.count(),
        apns: servers.apns.count(),
        apnsSandbox: servers.apnsSandbox.count(),
      }),
      mints: () => accessTokens.mints,
      clear: () => {
        ledger.clear();
        stage.forget();
      },
      forgetAccessTokens: () => {
        accessTokens.forget();
      },
      forgetProviderTokens: () => {
        providerTokens.forget();
      },
    };
    const control = createControlServer(controls);

    const listen = async (name: ServerName, port = 0): Promise<string> => {
      const bound = await servers[name].listen(host, port);
      closing.push(() => servers[name].stop());
      return `https://${publicHost}:${bound}`;
    };
    const fcmOrigin = await listen('fcm', options.fcmPort);
    const apnsOrigin = await listen('apns', options.apnsPort);
    const apnsSandboxOrigin = await listen('apnsSandbox', options.apnsSandboxPort);
    const controlHost = options.controlHost ?? '127.0.0.1';
    const controlPort = await listenPlain(control, controlHost, options.controlPort ?? 0);
    closing.push(() => closePlain(control));

    return {
      fcmOrigin,
      tokenUrl: `${fcmOrigin}/token`,
      apnsOrigin,
      apnsSandboxOrigin,
      controlOrigin: `http://${controlHost === '0.0.0.0' ? '127.0.0.1' : controlHost}:${controlPort}`,
      caFile: credentials.caFile,
      ca: credentials.authority.certificate,
      ...controls,
      behave: (change) => {
        controls.behave(behaviourChangeSchema.parse(change));
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function listenPlain(server: HttpServer, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('no TCP address'));
      else resolve(address.port);
    });
  });
}

function closePlain(server: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}
