// A running nbkms over a store of its own, and the hand of an administrator.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client } from '@tapestry/bus';
import { sealBytes } from '@tapestry/contracts';
import {
  type FakeService,
  fakeService,
  startTestBus,
  startTestDaemon,
  type TestBus,
} from '@tapestry/testkit';
import { nbkms } from '../src/daemon.ts';

const MAIN = join(import.meta.dirname, '../src/main.ts');

export interface KmsWorld {
  readonly stateDir: string;
  /** What the daemon has its files below. */
  readonly dir: string;
  readonly cli: Client<'nbkms'>;
  /** Of the media server `media1`. */
  readonly bptm: Client<'nbkms'>;
  readonly nbrb: FakeService<'nbrb'>;
  command(...args: string[]): Promise<string>;
  start(): Promise<void>;
  stop(): Promise<void>;
  sealed(text: string): Promise<{ publicKey: Uint8Array; nonce: Uint8Array; sealed: Uint8Array }>;
  end(): Promise<void>;
}

export async function startKmsWorld(): Promise<KmsWorld> {
  const bus: TestBus = await startTestBus({ hosts: ['media1'] });
  const stateDir = mkdtempSync(join(tmpdir(), 'tapestry-nbkms-'));
  const cli = (await bus.as({ service: 'cli' })).client('nbkms');
  const bptm = (await bus.as({ service: 'bptm', host: 'media1' })).client('nbkms');
  const nbrb = await fakeService(await bus.as({ service: 'nbrb' }), 'nbrb');
  let daemon: Awaited<ReturnType<typeof startTestDaemon>> | undefined;
  const world: KmsWorld = {
    ...{ stateDir, dir: join(stateDir, 'nbkms'), cli, bptm, nbrb },
    command: async (...args) => {
      const env = { TAPESTRY_STATE_DIR: stateDir };
      return (await promisify(execFile)(process.execPath, [MAIN, ...args], { env })).stdout;
    },
    start: async () => {
      daemon = await startTestDaemon(nbkms, bus, { stateDir });
    },
    stop: async () => {
      await daemon?.stop();
      daemon = undefined;
    },
    sealed: async (text) => {
      const { publicKey } = await cli.GetInfo({});
      return sealBytes(Buffer.from(text, 'utf8'), publicKey, 'kms passphrase');
    },
    end: async () => {
      await world.stop();
      await bus.stop();
      rmSync(stateDir, { recursive: true });
    },
  };
  return world;
}
