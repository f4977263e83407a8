// What a filer offers, and what we would make of it, for an administrator who sets it up (tpautoconf -verify and -probe,
// ndmp-probe): facts in words, a group a subject.

import type { Init, ProbeFact, ProbeRequest } from '@tapestry/contracts';
import {
  ADDR_TYPE,
  AUTH_TYPE,
  BUTYPE_ATTR,
  type DeviceInfo,
  FS_INFO_UNSUPPORTED,
  type FsInfo,
  type LogMessage,
  type NdmpClient,
  type NdmpVersion,
  nameOf,
  TAPE_ATTR,
} from '@tapestry/ndmp';
import type { TracePlace } from './adapters/session-trace.ts';
import type { Config } from './config.ts';
import { withWords } from './core/outcome.ts';
import { planFacts } from './core/probe-plan.ts';
import type { Filers } from './core/quirks.ts';
import { type Filer, openFiler } from './filer.ts';
import { printable } from './filer-log.ts';

const CONNECT_MAX_MS = 20_000;
/** Looking for devices takes time. */
const ASK_MS = 15_000;
/** NDMJOB answers this one with silence. */
const EXTENSIONS_MS = 3_000;
const WORDS_MAX = 5;

export interface ProbeFacts {
  readonly config: Readonly<Config>;
  readonly filers: Filers;
  readonly trace: TracePlace;
  readonly signal: AbortSignal;
}

/** Errors: 41, 47, 58 no connection; 99 the log-in was refused. Each ends with the filer's last words, if it said any. */
export async function probe(request: ProbeRequest, facts: ProbeFacts): Promise<Init<ProbeFact>[]> {
  const words: string[] = [];
  const hear = ({ entry }: LogMessage): void => {
    words.push(printable(entry));
    if (words.length > WORDS_MAX) words.shift();
  };
  try {
    const filer = await openFiler(asked(request, facts, hear));
    try {
      return [...(await everything(filer, facts.signal)), ...said(words)];
    } finally {
      filer.client.close();
    }
  } catch (error) {
    throw withWords(error, words);
  }
}

function asked(
  { address, port, user, password, name, auth, versionMax }: ProbeRequest,
  { config, filers, trace, signal }: ProbeFacts,
  hear: (message: LogMessage) => void,
) {
  return {
    host: name || address,
    access: { address, port: port || 10_000, auth: auth || 'md5', user, password },
    handlers: { onLogMessage: hear },
    ...{ filers, signal, trace, sessionName: 'probe', callTimeoutMs: ASK_MS },
    versionMax: (versionMax || config.versionMax) as NdmpVersion,
    connectTimeoutMs: Math.min(config.connectTimeoutMs, CONNECT_MAX_MS),
  };
}

async function everything(filer: Filer, signal: AbortSignal): Promise<Init<ProbeFact>[]> {
  const { client } = filer;
  const options = { timeoutMs: ASK_MS, signal };
  return [
    ...identityFacts(filer),
    ...(await told('host', () => hostFacts(client, options))),
    ...(await told('backup type', () => butypeFacts(client, filer, options))),
    ...(await told('file system', async () =>
      (await client.getFsInfo(options)).fileSystems.map(fsFact),
    )),
    ...(await told('tape', async () =>
      (await client.getTapeInfo(options)).flatMap((each) => deviceFacts('tape', each)),
    )),
    ...(await told('changer', async () =>
      (await client.getScsiInfo(options)).flatMap((each) => deviceFacts('changer', each)),
    )),
    ...(await told('extension', () => extensionFacts(client, signal))),
    ...planFacts(filer),
  ];
}

/** Servers leave out what they do not have: that is no failure of a probe, but is told. */
async function told(
  group: string,
  ask: () => Promise<Init<ProbeFact>[]>,
): Promise<Init<ProbeFact>[]> {
  try {
    return await ask();
  } catch (error) {
    return [{ group, name: 'not told', value: (error as Error).message }];
  }
}

function said(words: readonly string[]): Init<ProbeFact>[] {
  return words.map((value, i) => ({ group: 'said', name: String(i + 1), value }));
}

function identityFacts(filer: Filer): Init<ProbeFact>[] {
  const { identity, version, auth, authTypes, connectionTypes } = filer;
  const names = (table: Record<string, number>, values: readonly number[] | undefined): string =>
    values === undefined ? 'not told' : values.map((value) => nameOf(table, value)).join(' ');
  const facts: [string, string][] = [
    ['vendor', identity.vendor],
    ['product', identity.product],
    ['revision', identity.revision],
    ['NDMP version', String(version)],
    ['log-in', auth === 'md5' ? 'MD5' : 'text'],
    ['log-ins offered', names(AUTH_TYPE, authTypes)],
    ['data connections', names(ADDR_TYPE, connectionTypes)],
    ['treated as', filer.quirks.name],
  ];
  return facts.map(([name, value]) => ({ group: 'server', name, value }));
}

interface Ask {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

async function hostFacts(client: NdmpClient, options: Ask): Promise<Init<ProbeFact>[]> {
  const info = await client.getHostInfo(options);
  return [
    { group: 'host', name: 'name', value: info.hostname },
    { group: 'host', name: 'system', value: `${info.osType} ${info.osVersion}`.trim() },
    { group: 'host', name: 'id', value: info.hostId },
  ];
}

async function butypeFacts(
  client: NdmpClient,
  filer: Filer,
  options: Ask,
): Promise<Init<ProbeFact>[]> {
  const { butypes } = await client.getButypeInfo(options, filer.quirks.butypes);
  return butypes.map(({ name, attrs, defaultEnv }) => {
    const can = Object.entries(BUTYPE_ATTR)
      .filter(([, bit]) => (attrs & bit) !== 0)
      .map(([attribute]) => attribute);
    const env = defaultEnv.map((pair) => `${pair.name}=${pair.value}`);
    const value = [can.join(' ') || 'tells no attributes', ...env].join('; ');
    return { group: 'backup type', name, value: printable(value) };
  });
}

function fsFact(fs: FsInfo): Init<ProbeFact> {
  const isTold = (bit: number): boolean => (fs.unsupported & bit) === 0 && fs.totalSize > 0n;
  const used = isTold(FS_INFO_UNSUPPORTED.totalSize | FS_INFO_UNSUPPORTED.usedSize)
    ? `${gib(fs.usedSize)} of ${gib(fs.totalSize)} GiB used`
    : '';
  const value = [fs.fsType, fs.status, used].filter((word) => word !== '').join(', ');
  return { group: 'file system', name: fs.logicalDevice, value: printable(value) };
}

function gib(bytes: bigint): string {
  return (Number(bytes) / 2 ** 30).toFixed(1);
}

function deviceFacts(
  group: 'tape' | 'changer',
  { model, capabilities }: DeviceInfo,
): Init<ProbeFact>[] {
  return capabilities.map(({ device, attr, capability }) => {
    const attrs =
      group === 'tape'
        ? Object.entries(TAPE_ATTR)
            .filter(([, bit]) => (attr & bit) !== 0)
            .map(([name]) => name)
        : [];
    const more = capability.map(({ name, value }) => `${name}=${value}`);
    return { group, name: device, value: printable([model, ...attrs, ...more].join(' ')) };
  });
}

async function extensionFacts(client: NdmpClient, signal: AbortSignal): Promise<Init<ProbeFact>[]> {
  const classes = await client.getExtensions({ timeoutMs: EXTENSIONS_MS, signal });
  return classes.map(({ classId, versions }) => ({
    ...{ group: 'extension', name: `class 0x${classId.toString(16)}` },
    value: `versions ${versions.join(' ')}`,
  }));
}
