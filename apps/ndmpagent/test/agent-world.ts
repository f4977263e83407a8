// Everything around one agent in a test: a bus, the primary server's daemons as far as an agent talks to them, and the
// address of the filer under test, which may change between two sessions.

import type { Client } from '@tapestry/bus';
import { type GrantRef, type Init, type SessionState, sealCredential } from '@tapestry/contracts';
import {
  eventually,
  fakeService,
  startTestBus,
  startTestDaemon,
  type TestBus,
} from '@tapestry/testkit';
import { ndmpagent } from '../src/daemon.ts';
import {
  FILER_PASSWORD,
  FILER_USER,
  type FileListServer,
  type Mover,
  startFileListServer,
} from './agent-kit.ts';

export interface AgentWorld {
  readonly bus: TestBus;
  /** As bpbrm calls it. */
  readonly agent: Client<'ndmpagent'>;
  /** As commands call it. */
  readonly cli: Client<'ndmpagent'>;
  readonly bpdbm: Awaited<ReturnType<typeof fakeService<'bpdbm'>>>;
  readonly bptm: Awaited<ReturnType<typeof fakeService<'bptm'>>>;
  readonly lists: FileListServer;
  /** What nbemm answers. */
  readonly access: { address: string; port: number; auth: string; user: string; password: string };
  stop(): Promise<void>;
}

export async function startAgentWorld(): Promise<AgentWorld> {
  const bus = await startTestBus({ hosts: ['media1'] });
  const lists = await startFileListServer();
  const login = { auth: 'md5', user: FILER_USER, password: FILER_PASSWORD };
  const access = { address: '127.0.0.1', port: 0, ...login };
  await fakeService(await bus.as({ service: 'nbemm' }), 'nbemm', {
    GetNdmpCredential: async ({ publicKey }) => {
      const { address, port, auth, user, password } = access;
      return { address, port, auth, ...sealCredential({ user, password }, publicKey) };
    },
  });
  const bpdbm = await fakeService(await bus.as({ service: 'bpdbm' }), 'bpdbm', {
    MarkUnsure: async () => ({}),
    IssueFileListTicket: async ({ fileList }) => ({
      ...{ url: lists.url, ticket: 'ticket-1' },
      delivered: lists.files.has(Buffer.from(fileList!.sha256).toString('hex')),
    }),
  });
  const bptm = await fakeService(await bus.as({ service: 'bptm', host: 'media1' }), 'bptm');
  return {
    ...{ bus, bpdbm, bptm, lists, access },
    agent: (await bus.as({ service: 'bpbrm', host: 'media1' })).client('ndmpagent', 'media1'),
    cli: (await bus.as({ service: 'cli' })).client('ndmpagent', 'media1'),
    stop: async () => {
      lists.close();
      await bus.stop();
    },
  };
}

export function startAgent(
  { bus }: AgentWorld,
  stateDir: string,
  env: Record<string, string> = {},
) {
  const quick = { NDMPAGENT_POLL_EVERY_MS: '500', NDMPAGENT_ABORT_TIMEOUT_MS: '2000' };
  return startTestDaemon(ndmpagent, bus, { stateDir, env: { ...quick, ...env } });
}

export function grantOf(job: bigint, step = 0): Init<GrantRef> {
  const epoch = job * 10n + BigInt(step);
  return { attempt: { jobId: job, try: 1, step }, grantId: `g${job}`, epoch };
}

/** The first state of the session in this phase. Throws when it fails on the way. */
export function untilPhase(
  { agent }: AgentWorld,
  phase: SessionState['phase'],
  grant: Init<GrantRef>,
): Promise<SessionState> {
  const wanted = async (): Promise<SessionState | undefined> => {
    const state = await agent.WatchSession({ grant, afterVersion: 0n, waitMs: 0 });
    if (state.phase === phase) return state;
    if (state.phase === 'SESSION_PHASE_FAILED') throw new Error(state.status?.detail);
    return undefined;
  };
  return eventually(phase, wanted, 30_000);
}

/** How the session failed. */
export function failureOf({ agent }: AgentWorld, grant: Init<GrantRef>): Promise<SessionState> {
  return eventually('the failure', async () => {
    const state = await agent.WatchSession({ grant, afterVersion: 0n, waitMs: 0 });
    return state.phase === 'SESSION_PHASE_FAILED' ? state : undefined;
  });
}

/** Answers the filer's asks from an image, over the mover that it is connected to. */
export function serveImage({ bptm }: AgentWorld, image: Buffer, mover: Mover): void {
  const END = 1n << 60n;
  bptm.answer({
    SendRange: async ({ offset, length }) => {
      const socket = await mover.connected;
      const end = length > END ? image.length : Number(offset + length);
      socket.write(image.subarray(Number(offset), end));
      return {};
    },
  });
}
