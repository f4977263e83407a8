// What a filer offers, for an administrator who sets it up (tpautoconf -verify and -probe): facts in words.

import type { Init, ProbeFact, ProbeRequest } from '@tapestry/contracts';
import { BUTYPE_ATTR, type NdmpClient } from '@tapestry/ndmp';
import type { Config } from './config.ts';
import type { FilerQuirks } from './core/quirks.ts';
import { openFiler } from './filer.ts';

const ASK_MS = 15_000;

/** Errors: 41, 47, 58 no connection; 99 the log-in was refused. */
export async function probe(
  request: ProbeRequest,
  facts: { config: Readonly<Config>; quirks: readonly FilerQuirks[]; signal: AbortSignal },
): Promise<Init<ProbeFact>[]> {
  const { address, port, user, password } = request;
  const { config, quirks, signal } = facts;
  const filer = await openFiler({
    host: address,
    access: { address, port: port || 10_000, auth: 'md5', user, password },
    handlers: {},
    moreQuirks: quirks,
    connectTimeoutMs: config.connectTimeoutMs,
    callTimeoutMs: ASK_MS,
    signal,
  });
  const { client, identity, version } = filer;
  try {
    return [
      { group: 'server', name: 'vendor', value: identity.vendor },
      { group: 'server', name: 'product', value: identity.product },
      { group: 'server', name: 'revision', value: identity.revision },
      { group: 'server', name: 'NDMP version', value: String(version) },
      { group: 'server', name: 'log-in', value: filer.auth },
      { group: 'server', name: 'treated as', value: filer.quirks.name },
      ...(await told(() => hostFacts(client, signal))),
      ...(await told(() => butypeFacts(client, signal))),
      ...(await told(() => fsFacts(client, signal))),
      ...(await told(() => deviceFacts(client, 'configGetTapeInfo', 'tape', signal))),
      ...(await told(() => deviceFacts(client, 'configGetScsiInfo', 'changer', signal))),
    ];
  } finally {
    client.close();
  }
}

/** Servers leave out what they do not have: that is no failure of a probe. */
async function told(ask: () => Promise<ProbeFact[]>): Promise<ProbeFact[]> {
  return ask().catch(() => []);
}

async function hostFacts(client: NdmpClient, signal: AbortSignal): Promise<ProbeFact[]> {
  const info = await client.getHostInfo({ timeoutMs: ASK_MS, signal });
  return [
    { group: 'host', name: 'name', value: info.hostname },
    { group: 'host', name: 'system', value: `${info.osType} ${info.osVersion}` },
    { group: 'host', name: 'id', value: info.hostId },
  ];
}

async function butypeFacts(client: NdmpClient, signal: AbortSignal): Promise<ProbeFact[]> {
  const { butypes } = await client.getButypeInfo({ timeoutMs: ASK_MS, signal });
  return butypes.map(({ name, attrs }) => ({
    group: 'backup type',
    name,
    value: Object.entries(BUTYPE_ATTR)
      .filter(([, bit]) => (attrs & bit) !== 0)
      .map(([attribute]) => attribute)
      .join(' '),
  }));
}

async function fsFacts(client: NdmpClient, signal: AbortSignal): Promise<ProbeFact[]> {
  const { fileSystems } = await client.getFsInfo({ timeoutMs: ASK_MS, signal });
  return fileSystems.map(({ logicalDevice, fsType, status }) => ({
    ...{ group: 'file system', name: logicalDevice, value: `${fsType} ${status}`.trim() },
  }));
}

async function deviceFacts(
  client: NdmpClient,
  ask: 'configGetTapeInfo' | 'configGetScsiInfo',
  group: string,
  signal: AbortSignal,
): Promise<ProbeFact[]> {
  const reply = await client.call(ask, {}, { timeoutMs: ASK_MS, signal });
  const devices = Object.values(reply).find(Array.isArray) as
    | { model: string; capabilities: { device: string }[] }[]
    | undefined;
  return (devices ?? []).flatMap(({ model, capabilities }) =>
    capabilities.map(({ device }) => ({ group, name: device, value: model })),
  );
}
