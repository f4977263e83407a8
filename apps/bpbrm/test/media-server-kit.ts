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
import type { Client } from '@tapestry/bus';
import {
  type AppendPoint,
  type GrantRef,
  type Init,
  type RunResult,
  type RunSpec,
  sealCredential,
} from '@tapestry/contracts';
import { createVirtualLibrary, virtualDrivePath } from '@tapestry/storage';
import { eventually, fakeService, startTestBus } from '@tapestry/testkit';

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
  /** Starts a run; answers its grant. */
  startRun(job: bigint, spec: Init<RunSpec>, tryNumber?: number): Promise<Init<GrantRef>>;
  /** How the run of this job ended, as nbjm is told. */
  ended(job: bigint, tryNumber?: number): Promise<RunResult>;
  pidOf(service: ServiceOfHost): number;
  kill(service: ServiceOfHost): Promise<void>;
  start(service: ServiceOfHost): Promise<void>;
  killFiler(): Promise<void>;
  startFiler(): Promise<void>;
  stop(): Promise<void>;
}

const PASSWORD = 'secret-of-filer';

/** An NDMP server that the test brings, instead of ndmpd. */
export interface OtherFiler {
  start(
    root: string,
  ): Promise<{ port: number; user: string; password: string; stop(): Promise<void> }>;
}

export async function startMediaServer(other?: OtherFiler): Promise<MediaServer> {
  const root = mkdtempSync(join(tmpdir(), 'media-server-'));
  const data = join(root, 'data');
  const library = join(root, 'library');
  mkdirSync(data);
  const cartridges = ['A00001L8', 'A00002L8'].map((barcode) => ({
    ...{ barcode, capacityBytes: 1_000_000_000 },
  }));
  await createVirtualLibrary({ dir: library, drives: 1, slots: 4, cartridges });
  const bus = await startTestBus({ hosts: ['media1'] });
  const fileLists = new Map<string, Buffer>();
  const lists = await startFileLists(fileLists);
  const filer = {
    child: undefined as ChildProcess | undefined,
    port: 0,
    user: 'backup',
    password: PASSWORD,
  };
  let stopOther = async (): Promise<void> => undefined;
  const children = new Map<ServiceOfHost, ChildProcess>();
  const append = { point: null as AppendPoint | null };

  const nbjm = await fakeService(await bus.as({ service: 'nbjm' }), 'nbjm', {
    RunEnded: async () => ({}),
  });
  const nbrb = await fakeService(await bus.as({ service: 'nbrb' }), 'nbrb', {
    ReportDrives: async () => ({}),
    RenewGrants: async () => ({ invalid: [] }),
  });
  const drive = {
    ...{ name: 'drive0', index: 0, density: 'hcart', mediaServer: 'media1', robotNumber: 0 },
    ...{ path: virtualDrivePath(library, 0), robotDrive: 1 },
  };
  const nbemm = await fakeService(await bus.as({ service: 'nbemm' }), 'nbemm', {
    GetDevices: async () => ({
      robots: [{ number: 0, type: 'TLD', controlHost: 'media1', path: `vtl:${library}` }],
      drives: [{ drive }],
    }),
    ListNdmpHosts: async () => ({ hosts: [{ name: 'filer', address: '127.0.0.1' }] }),
    RecordMediaEvent: async () => ({}),
    RecordFragment: async (request) => {
      append.point = request.append;
      return {};
    },
    GetNdmpCredential: async ({ publicKey }) => ({
      ...{ address: '127.0.0.1', port: filer.port, auth: 'md5' },
      ...sealCredential({ user: filer.user, password: filer.password }, publicKey),
    }),
  });
  await fakeService(await bus.as({ service: 'bpdbm' }), 'bpdbm', {
    MarkUnsure: async () => ({}),
    IssueFileListTicket: async ({ fileList }) => ({
      ...{ url: lists.url, ticket: 'ticket-1' },
      delivered: fileLists.has(Buffer.from(fileList!.sha256).toString('hex')),
    }),
  });
  const bpcd = await bus.as({ service: 'bpcd', host: 'media1' });
  const asNbjm = await bus.as({ service: 'nbjm' });

  const start = async (service: ServiceOfHost): Promise<void> => {
    const passwordFile = join(root, `${service}.password`);
    writeFileSync(passwordFile, bus.passwordOf({ service, host: 'media1' }));
    const child = spawn(process.execPath, [mainOf(service)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        TAPESTRY_NATS_URL: bus.url,
        TAPESTRY_NATS_PASSWORD_FILE: passwordFile,
        TAPESTRY_HOST: 'media1',
        TAPESTRY_STATE_DIR: root,
        TAPESTRY_LOG_LEVEL: 'info',
        NODE_COMPILE_CACHE: join(tmpdir(), 'media-server-compile-cache'),
        BPTM_RENEW_EVERY_MS: '500',
        NDMPAGENT_POLL_EVERY_MS: '500',
        NDMPAGENT_ABORT_TIMEOUT_MS: '2000',
        LTID_SILENT_MS: '5000',
        LTID_LOOK_EVERY_MS: '500',
      },
    });
    children.set(service, child);
    await lineOf(child, (line) => line.includes('"started"'));
  };
  const startFiler = async (): Promise<void> => {
    if (other !== undefined) {
      const { stop, ...access } = await other.start(root);
      stopOther = stop;
      Object.assign(filer, access);
      return;
    }
    const passwordFile = join(root, 'filer-password');
    writeFileSync(passwordFile, PASSWORD, { mode: 0o600 });
    const user = ['--user', 'backup', '--password-file', passwordFile];
    const listen = ['--listen', '127.0.0.1:0', '--export', `data=${data}`];
    filer.child = spawn(process.execPath, [mainOf('ndmpd'), ...user, ...listen], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const line = await lineOf(filer.child, (text) => text.includes('"ready"'));
    const { address } = JSON.parse(line) as { address: string };
    filer.port = Number(address.slice(address.lastIndexOf(':') + 1));
  };
  await Promise.all([startFiler(), ...SERVICES.map(start)]);

  return {
    ...{ root, data, nbjm, nbemm, nbrb, fileLists },
    bpbrm: asNbjm.client('bpbrm', 'media1'),
    startRun: async (jobId, spec, tryNumber = 1) => {
      const ref = {
        attempt: { jobId, try: tryNumber, step: 0 },
        grantId: `g${jobId}-${tryNumber}`,
        epoch: jobId * 10n + BigInt(tryNumber),
      };
      const volume = {
        ...{ mediaId: 'A00001', barcode: 'A00001L8', pool: 'NetBackup', density: 'hcart' },
        ...{ assignedMs: 1_700_000_000_000n, append: append.point },
      };
      const mode = spec.job?.type === 'JOB_TYPE_RESTORE' ? 'DRIVE_MODE_READ' : 'DRIVE_MODE_WRITE';
      const grant = { ...ref, drive, volume, mode, mediaServer: 'media1' } as const;
      await bpcd.client('bpbrm', 'media1').StartRun({ run: { ...spec, grant } });
      return ref;
    },
    ended: async (jobId, tryNumber = 1) =>
      eventually(
        `the end of job ${jobId}`,
        () => {
          const isIt = nbjm
            .requests('RunEnded')
            .find(({ grant }) => grant?.grantId === `g${jobId}-${tryNumber}`);
          return isIt?.result ?? undefined;
        },
        60_000,
      ),
    pidOf: (service) => children.get(service)!.pid!,
    kill: (service) => kill(children.get(service)),
    start,
    killFiler: () => kill(filer.child),
    startFiler,
    stop: async () => {
      await Promise.all([...children.values(), filer.child].map(kill));
      await stopOther();
      lists.close();
      await bus.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
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
  return new Promise((resolve) => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return resolve();
    }
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
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
