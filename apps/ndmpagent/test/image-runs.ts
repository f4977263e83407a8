// A backup and its restores as an agent is asked for them, with the mover played by the test: what came of each.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileListReader } from '@tapestry/catalog';
import type { Address, GrantRef, Init, RestoreEntry, SessionState } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { type Mover, startMover } from './agent-kit.ts';
import { type AgentWorld, grantOf, serveImage, untilPhase } from './agent-world.ts';

export const UNKNOWN_PLACE = 0xffff_ffff_ffff_ffffn;

export interface Saved {
  readonly done: SessionState;
  readonly image: Buffer;
}

export interface RunsOf {
  readonly world: AgentWorld;
  readonly job: bigint;
  /** As the filer calls it. */
  readonly path: string;
  /** Where file lists may be put. */
  readonly root: string;
  /** Where the filer is told that the mover listens, when that is not the truth. */
  readonly moverAddress?: Address;
  /** Where the mover listens; 127.0.0.1 unless said. */
  readonly moverHost?: string;
}

export class ImageRuns {
  readonly #of: RunsOf;
  /** Addresses that bptm was told to connect to, run by run. */
  readonly dialled: Address[][] = [];

  constructor(of: RunsOf) {
    this.#of = of;
  }

  async backUp(): Promise<Saved> {
    const { world, job, path } = this.#of;
    const mover = await this.#mover();
    const grant = grantOf(job);
    await world.agent.StartBackup({
      ...{ grant, moverAddresses: this.#addresses(mover) },
      job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path } },
      image: { backupId: `filer_${job}`, level: 0 },
    });
    const done = await untilPhase(world, 'SESSION_PHASE_DONE', grant);
    const image = await mover.received;
    mover.close();
    return { done, image };
  }

  async restore(saved: Saved, entries: Init<RestoreEntry>[], step: number): Promise<SessionState> {
    const { world, job, path } = this.#of;
    const { done, image } = saved;
    const mover = await this.#mover();
    serveImage(world, image, mover);
    const one = {
      ...{ backupId: `filer_${job}`, path, butype: done.butype, env: done.env, entries },
      ...{ imageBytes: done.haltedBytes, expectedFiles: BigInt(entries.length) },
      directAccess: true,
    };
    const grant: Init<GrantRef> = grantOf(job, step);
    await world.agent.StartRestore({
      ...{ grant, restoreStep: 0, moverAddresses: this.#addresses(mover) },
      job: {
        ...{ type: 'JOB_TYPE_RESTORE', client: 'filer' },
        restore: { destClient: 'filer', steps: [one] },
      },
    });
    const ended = await untilPhase(world, 'SESSION_PHASE_DONE', grant);
    mover.close();
    return ended;
  }

  /** Where the members lie, from the file list that was delivered. */
  async places({ done }: Saved, paths: readonly string[]): Promise<bigint[]> {
    const { root, job, world } = this.#of;
    const file = join(root, `list-${job}.parquet`);
    const digest = Buffer.from(done.fileList!.sha256).toString('hex');
    writeFileSync(file, world.lists.files.get(digest)!);
    const lists = new FileListReader({ tempDir: join(root, 'query') });
    const found = await lists.lookup([{ id: 'i', file }], [...paths]);
    await lists.close();
    return paths.map((path) => found.find((row) => row.path === path)?.fhInfo ?? UNKNOWN_PLACE);
  }

  async #mover(): Promise<Mover> {
    const mover = await startMover(false, this.#of.moverHost);
    this.#of.world.bptm.answer({
      ConnectStream: async ({ addresses }) => {
        this.dialled.push(addresses);
        const [first] = addresses;
        if (first === undefined) throw new StatusError('accessNotAllowed', 'no address');
        await mover.dial(first);
        return {};
      },
    });
    return mover;
  }

  #addresses({ port }: Mover): Address[] {
    return [this.#of.moverAddress ?? { host: this.#of.moverHost ?? '127.0.0.1', port }];
  }
}

export const entryOf = (path: string, fhInfo: bigint): Init<RestoreEntry> => ({
  ...{ originalPath: Buffer.from(path), destinationPath: Buffer.from(path), fhInfo },
});
