// A whole media server as processes of its own (bpbrm, bptm, ltid, ndmpagent), with ndmpd as the filer, and the primary
// server's daemons played by the test.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Client, Handlers } from '@tapestry/bus';
import {
  type AppendPoint,
  type DriveSpec,
  type GrantRef,
  type Init,
  type RobotSpec,
  type RunResult,
  type RunSpec,
  sealCredential,
} from '@tapestry/contracts';
import { createVirtualLibrary, virtualDrivePath } from '@tapestry/storage';
import { eventually, fakeService, startTestBus, type TestBus } from '@tapestry/testkit';

export const SERVICES = ['bpbrm', 'bptm', 'ltid', 'ndmpagent'] as const;
export type ServiceOfHost = (typeof SERVICES)[number];

const mainOf = (app: string): string =>
  fileURLToPath(new URL(`../../${app}/src/main.ts`, import.meta.url));

export interface MediaServer {
  readonly root: string;
  /** The exported directory of the filer: /data. */
  readonly data: string;
  readonly bpbrm: Client<'bpbrm'>;
  readonly nbjm: Awaited<ReturnType<typeof fakeService<'nbjm'>>>;
  readonly nbemm: Awaited<ReturnType<typeof fakeService<'nbemm'>>>;
  readonly nbrb: Awaited<ReturnType<typeof fakeService<'nbrb'>>>;
  readonly fileLists: ReadonlyMap<string, Buffer>;
  /** How the played nbrb answers when a test has not said otherwise. */
  readonly nextVolume: Handlers<'nbrb'>['NextVolume'];
  /** Starts a run; answers its grant. */
  startRun(job: bigint, spec: Init<RunSpec>, tryNumber?: number): Promise<Init<GrantRef>>;
  /** How the run of this job ended, as nbjm is told. */
  ended(job: bigint, tryNumber?: number): Promise<RunResult>;
  pidOf(service: ServiceOfHost): number;
  kill(service: ServiceOfHost): Promise<void>;
  start(service: ServiceOfHost): Promise<void>;
  /** Stops ndmpd with all its processes where they are, so that a fault meets a backup in the middle. */
  freezeFiler(): void;
  /** Does nothing to a filer that is not frozen. */
  thawFiler(): void;
  killFiler(): Promise<void>;
  startFiler(): Promise<void>;
  killTapeHost(): Promise<void>;
  startTapeHost(): Promise<void>;
  stop(): Promise<void>;
}

const PASSWORD = 'secret-of-filer';
const FILERS = 'filers.json';

/** An NDMP server that the test brings, instead of ndmpd. */
export interface OtherFiler {
  start(
    root: string,
  ): Promise<{ port: number; user: string; password: string; stop(): Promise<void> }>;
}

/** Whose tape the grants are for: the media server's own drive, the filer's, or that of a second NDMP host. */
export type TapeSide = 'media server' | 'filer' | 'tape host';

export interface MediaServerOptions {
  /** Instead of ndmpd. */
  readonly filer?: OtherFiler;
  readonly tape?: TapeSide;
  /** The second NDMP host, instead of ndmpd. */
  readonly tapeHost?: OtherFiler;
  /** What that host, or the filer, calls its drive. */
  readonly device?: (root: string) => string;
  readonly maxFragmentBytes?: bigint;
  /** The robot hangs on the host of the tape, too, and is moved by NDMP SCSI. */
  readonly robotByNdmp?: boolean;
  /** Of this media server, instead of its virtual library: paths of the drive and of the robot. */
  readonly devices?: { readonly drive: string; readonly robot: string };
  /** Of each tape. */
  readonly capacityBytes?: number;
  /** How many tapes there are: A00001, A00002, … */
  readonly cartridges?: number;
  /** More settings of bptm. */
  readonly bptmEnv?: Readonly<Record<string, string>>;
  /** What the site says of filers (NDMPAGENT_FILERS_FILE). */
  readonly filers?: Readonly<Record<string, unknown>>;
}

export async function startMediaServer(options: MediaServerOptions = {}): Promise<MediaServer> {
  const root = mkdtempSync(join(tmpdir(), 'media-server-'));
  const data = join(root, 'data');
  mkdirSync(data);
  const libraryDir = await makeLibrary(root, options);
  const bus = await startTestBus({ hosts: ['media1'] });
  const fileLists = new Map<string, Buffer>();
  const lists = await startFileLists(fileLists);
  const { tape = 'media server', tapeHost } = options;
  const library = (side: TapeSide) => (tape === side ? ['--library', libraryDir] : []);
  const filer = new FilerOfTest(root, data, options.filer, library('filer'));
  const second = new FilerOfTest(root, data, tapeHost, library('tape host'));
  const primary = await playPrimary(bus, {
    ...{ fileLists, listUrl: lists.url, hosts: { filer, tapehost: second } },
    drive: options.devices
      ? { path: options.devices.drive }
      : driveOf(tape, libraryDir, options.device?.(root)),
    robot: options.robotByNdmp
      ? { path: 'changer0', ndmpHost: tape === 'filer' ? 'filer' : 'tapehost' }
      : { path: options.devices?.robot ?? `vtl:${libraryDir}` },
    maxFragmentBytes: options.maxFragmentBytes ?? 0n,
    cartridges: options.cartridges ?? 2,
  });
  writeFileSync(join(root, FILERS), JSON.stringify(options.filers ?? {}));
  const daemons = new Daemons(root, bus, options.bptmEnv ?? {});
  const stop = async (): Promise<void> => {
    await daemons.stop();
    await Promise.all([filer.kill(), second.kill()]);
    lists.close();
    await bus.stop();
    rmSync(root, { recursive: true, force: true });
  };
  try {
    if (tape === 'tape host') await second.start();
    await Promise.all([filer.start(), ...SERVICES.map((service) => daemons.start(service))]);
  } catch (error) {
    await stop();
    throw error;
  }
  const bpcd = (await bus.as({ service: 'bpcd', host: 'media1' })).client('bpbrm', 'media1');
  const asNbjm = await bus.as({ service: 'nbjm' });
  return {
    ...{ root, data, fileLists, nbjm: primary.nbjm, nbemm: primary.nbemm, nbrb: primary.nbrb },
    nextVolume: primary.nextVolume,
    bpbrm: asNbjm.client('bpbrm', 'media1'),
    startRun: async (jobId, spec, tryNumber = 1) => {
      const { ref, grant } = primary.grantFor(jobId, tryNumber, spec);
      await bpcd.StartRun({ run: { ...spec, grant } });
      return ref;
    },
    ended: (jobId, tryNumber = 1) => endOf(primary.nbjm, `g${jobId}-${tryNumber}`),
    pidOf: (service) => daemons.pidOf(service),
    kill: (service) => daemons.kill(service),
    start: (service) => daemons.start(service),
    freezeFiler: () => filer.signal('SIGSTOP'),
    thawFiler: () => filer.signal('SIGCONT'),
    killFiler: () => filer.kill(),
    startFiler: () => filer.start(),
    killTapeHost: () => second.kill(),
    startTapeHost: () => second.start(),
    stop,
  };
}

function driveOf(tape: TapeSide, libraryDir: string, device = 'drive0'): Partial<DriveSpec> {
  if (tape === 'media server') return { path: virtualDrivePath(libraryDir, 0) };
  return { path: device, ndmpHost: tape === 'filer' ? 'filer' : 'tapehost' };
}

async function makeLibrary(root: string, options: MediaServerOptions): Promise<string> {
  const { capacityBytes = 1_000_000_000, cartridges: count = 2 } = options;
  const dir = join(root, 'library');
  const cartridges = Array.from({ length: count }, (_, at) => ({
    ...{ barcode: `${mediaIdOf(at)}L8`, capacityBytes },
  }));
  await createVirtualLibrary({ dir, drives: 1, slots: count + 2, cartridges });
  return dir;
}

const mediaIdOf = (at: number): string => `A0000${at + 1}`;

function endOf(nbjm: MediaServer['nbjm'], grantId: string): Promise<RunResult> {
  const result = (): RunResult | undefined => {
    const told = nbjm.requests('RunEnded').find(({ grant }) => grant?.grantId === grantId);
    return told?.result ?? undefined;
  };
  return eventually(`the end of the run under ${grantId}`, result, 90_000);
}

/** ndmpd in its own process, or what the test brings. */
class FilerOfTest {
  readonly #root: string;
  readonly #data: string;
  readonly #other: OtherFiler | undefined;
  readonly #flags: readonly string[];
  #stop = async (): Promise<void> => undefined;
  #child: ChildProcess | undefined;
  port = 0;
  user = 'backup';
  password = PASSWORD;

  constructor(root: string, data: string, other: OtherFiler | undefined, flags: readonly string[]) {
    this.#flags = flags;
    this.#root = root;
    this.#data = data;
    this.#other = other;
  }

  async start(): Promise<void> {
    if (this.#other !== undefined) {
      const { stop, ...access } = await this.#other.start(this.#root);
      this.#stop = stop;
      Object.assign(this, access);
      return;
    }
    const passwordFile = join(this.#root, 'filer-password');
    writeFileSync(passwordFile, PASSWORD, { mode: 0o600 });
    const user = ['--user', this.user, '--password-file', passwordFile];
    const listen = ['--listen', '127.0.0.1:0', '--export', `data=${this.#data}`];
    const child = spawn(process.execPath, [mainOf('ndmpd'), ...user, ...listen, ...this.#flags], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // The head of a group, with the processes that move its data.
      detached: true,
    });
    this.#child = child;
    this.#stop = () => ended(child, () => this.signal('SIGKILL'));
    const line = await lineOf(child, (text) => text.includes('"ready"'));
    const { address } = JSON.parse(line) as { address: string };
    this.port = Number(address.slice(address.lastIndexOf(':') + 1));
  }

  signal(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid !== undefined) process.kill(-pid, signal);
  }

  kill(): Promise<void> {
    return this.#stop();
  }
}

/** The host's daemons, each in a process of its own. */
class Daemons {
  readonly #root: string;
  readonly #bus: TestBus;
  readonly #bptmEnv: Readonly<Record<string, string>>;
  readonly #children = new Map<ServiceOfHost, ChildProcess>();

  constructor(root: string, bus: TestBus, bptmEnv: Readonly<Record<string, string>>) {
    this.#root = root;
    this.#bus = bus;
    this.#bptmEnv = bptmEnv;
  }

  async start(service: ServiceOfHost): Promise<void> {
    const passwordFile = join(this.#root, `${service}.password`);
    writeFileSync(passwordFile, this.#bus.passwordOf({ service, host: 'media1' }));
    const child = spawn(process.execPath, [mainOf(service)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        TAPESTRY_NATS_URL: this.#bus.url,
        TAPESTRY_NATS_PASSWORD_FILE: passwordFile,
        TAPESTRY_HOST: 'media1',
        TAPESTRY_STATE_DIR: this.#root,
        TAPESTRY_LOG_LEVEL: 'info',
        NODE_COMPILE_CACHE: join(tmpdir(), 'media-server-compile-cache'),
        BPBRM_WATCH_MS: '500',
        BPTM_RENEW_EVERY_MS: '500',
        NDMPAGENT_POLL_EVERY_MS: '500',
        NDMPAGENT_ABORT_TIMEOUT_MS: '2000',
        NDMPAGENT_FILERS_FILE: join(this.#root, FILERS),
        LTID_SILENT_MS: '5000',
        LTID_LOOK_EVERY_MS: '500',
        ...this.#bptmEnv,
      },
    });
    this.#children.set(service, child);
    await lineOf(child, (line) => line.includes('"started"'));
  }

  pidOf(service: ServiceOfHost): number {
    return this.#children.get(service)!.pid!;
  }

  kill(service: ServiceOfHost): Promise<void> {
    return kill(this.#children.get(service));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#children.values()].map(kill));
  }
}

interface PrimaryFacts {
  readonly cartridges: number;
  readonly hosts: Readonly<Record<string, FilerOfTest>>;
  readonly drive: Partial<DriveSpec>;
  readonly robot: Partial<RobotSpec>;
  readonly maxFragmentBytes: bigint;
  readonly fileLists: ReadonlyMap<string, Buffer>;
  readonly listUrl: string;
}

/** nbjm, nbrb, nbemm and bpdbm, as far as a media server talks to them; nbemm keeps the append point. */
async function playPrimary(bus: TestBus, facts: PrimaryFacts) {
  const { hosts, fileLists, listUrl, maxFragmentBytes } = facts;
  const drive = {
    ...{ name: 'drive0', index: 0, density: 'hcart', mediaServer: 'media1', robotNumber: 0 },
    ...{ robotDrive: 1, ...facts.drive },
  };
  const appends = new Map<string, AppendPoint | null>();
  const volumeOf = (mediaId: string) => ({
    ...{ mediaId, barcode: `${mediaId}L8`, pool: 'NetBackup', density: 'hcart' },
    ...{ assignedMs: 1_700_000_000_000n, append: appends.get(mediaId) ?? null },
  });
  const nextVolume: Handlers<'nbrb'>['NextVolume'] = async ({ number, mediaId }) => {
    if (mediaId === '' && number >= facts.cartridges) return { reasons: ['none is left'] };
    return { volume: volumeOf(mediaId || mediaIdOf(number)) };
  };
  const nbjm = await fakeService(await bus.as({ service: 'nbjm' }), 'nbjm', {
    RunEnded: async () => ({}),
  });
  const nbrb = await fakeService(await bus.as({ service: 'nbrb' }), 'nbrb', {
    ReportDrives: async () => ({}),
    RenewGrants: async () => ({ invalid: [] }),
    NextVolume: nextVolume,
  });
  const nbemm = await fakeService(await bus.as({ service: 'nbemm' }), 'nbemm', {
    GetDevices: async () => ({
      robots: [{ number: 0, type: 'TLD', controlHost: 'media1', ...facts.robot }],
      drives: [{ drive }],
    }),
    ListNdmpHosts: async () => ({ hosts: [{ name: 'filer', address: '127.0.0.1' }] }),
    RecordMediaEvent: async () => ({}),
    RecordFragment: async (request) => {
      appends.set(request.mediaId, request.append);
      return {};
    },
    GetNdmpCredential: async ({ publicKey, ndmpHost }) => {
      const { port, user, password } = hosts[ndmpHost]!;
      const sealed = sealCredential({ user, password }, publicKey);
      return { address: '127.0.0.1', port, auth: 'md5', ...sealed };
    },
  });
  await fakeService(await bus.as({ service: 'bpdbm' }), 'bpdbm', {
    MarkUnsure: async () => ({}),
    IssueFileListTicket: async ({ fileList }) => ({
      ...{ url: listUrl, ticket: 'ticket-1' },
      delivered: fileLists.has(Buffer.from(fileList!.sha256).toString('hex')),
    }),
  });
  const grantFor = (jobId: bigint, tryNumber: number, spec: Init<RunSpec>) => {
    const attempt = { jobId, try: tryNumber, step: 0 };
    const epoch = jobId * 10n + BigInt(tryNumber);
    const ref = { attempt, grantId: `g${jobId}-${tryNumber}`, epoch };
    const fragment = spec.job?.restore?.steps?.[spec.restoreStep ?? 0]?.fragments?.[0];
    const volume = volumeOf(fragment?.mediaId ?? mediaIdOf(0));
    const mode = spec.job?.type === 'JOB_TYPE_RESTORE' ? 'DRIVE_MODE_READ' : 'DRIVE_MODE_WRITE';
    const grant = { ...ref, drive, volume, mode, mediaServer: 'media1', maxFragmentBytes } as const;
    return { ref, grant };
  };
  return { nbjm, nbrb, nbemm, nextVolume, grantFor };
}

function lineOf(child: ChildProcess, isIt: (line: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (process.env.TEST_LOG_LEVEL !== undefined) process.stderr.write(`${line}\n`);
      if (isIt(line)) resolve(line);
    });
    child.once('exit', (code) => reject(new Error(`ended with ${code} before it was ready`)));
  });
}

function kill(child: ChildProcess | undefined): Promise<void> {
  return ended(child, () => child?.kill('SIGKILL'));
}

/** Resolves when the child is gone; `end` is called if it is not yet. */
function ended(child: ChildProcess | undefined, end: () => void): Promise<void> {
  return new Promise((resolve) => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return resolve();
    }
    child.once('exit', () => resolve());
    end();
  });
}

async function startFileLists(files: Map<string, Buffer>): Promise<{ url: string; close(): void }> {
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      files.set(createHash('sha256').update(body).digest('hex'), body);
      response.writeHead(201).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/file-list`, close: () => server.close() };
}
