// Runs on a media server of tests, one job after the other: what is asked of it, and what it must leave behind.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Init, RunResult, RunSpec } from '@tapestry/contracts';
import { eventually } from '@tapestry/testkit';
import type { MediaServer } from './media-server-kit.ts';

const UNKNOWN = 0xffff_ffff_ffff_ffffn;

/** Big enough to be met in the middle. */
export const HUGE_BYTES = 400_000_000;

export class Runs {
  readonly #server: MediaServer;
  readonly #base: string;
  /** The job that was started last. */
  job = 700n;

  /** `base` is the exported directory as the filer names it. */
  constructor(server: MediaServer, base = '/data') {
    this.#server = server;
    this.#base = base;
  }

  async backUp(path = this.#base): Promise<RunResult> {
    await this.startBackup(path);
    return this.ended();
  }

  async startBackup(path = this.#base): Promise<void> {
    await this.#start((job) => ({
      job: { type: 'JOB_TYPE_BACKUP', client: 'filer', policy: 'nas', backup: { path } },
      ...{
        image: { backupId: `filer_${job}`, backupTimeS: 1_700_000_000n, level: 0, butype: 'tar' },
      },
    }));
  }

  /** `paths` from the filer's root, or below the exported directory. */
  async restore(image: RunResult['image'], paths: readonly string[]): Promise<RunResult> {
    const whole = paths.map((path) => (path.startsWith('/') ? path : `${this.#base}/${path}`));
    await this.#start(() => restoreOf(image, whole, this.#base));
    return this.ended();
  }

  /** A restore of that backup, of which some has moved when this resolves. The filer is frozen then. */
  async startRestoreOfHuge(image: RunResult['image']): Promise<void> {
    await this.#start(() => restoreOf(image, [`${this.#base}/huge.bin`], this.#base));
    await this.#freezeIn('reading');
  }

  /** A backup of more than HUGE_BYTES, of which some have moved when this resolves. The filer is frozen then. */
  async startHuge(): Promise<void> {
    await this.startBackup();
    await this.#freezeIn('writing');
  }

  async #freezeIn(phase: 'reading' | 'writing'): Promise<void> {
    await eventually('data moves', async () => {
      const { runs } = await this.#server.bpbrm.ListRuns({});
      const mine = runs.find(({ grant }) => grant?.attempt?.jobId === this.job);
      return mine?.phase === phase ? true : undefined;
    });
    this.#server.freezeFiler();
  }

  ended(): Promise<RunResult> {
    return this.#server.ended(this.job);
  }

  /** What a run must leave behind whatever happened: an idle drive, told to nbrb. */
  async driveIsIdle(): Promise<void> {
    await eventually('the drive is idle', () => {
      const last = this.#server.nbrb.requests('ReportDrives').at(-1)?.drives[0];
      return last !== undefined && last.holder === null ? true : undefined;
    });
  }

  async #start(specOf: (job: bigint) => Init<RunSpec>): Promise<void> {
    this.job += 1n;
    await this.#server.startRun(this.job, specOf(this.job));
  }
}

function restoreOf(
  image: RunResult['image'],
  paths: readonly string[],
  path: string,
): Init<RunSpec> {
  const entries = paths.map((each) => ({
    ...{ originalPath: Buffer.from(each), destinationPath: Buffer.from(each), fhInfo: UNKNOWN },
  }));
  const { backupId, fragments, env, butype, bytes } = image!;
  const step = { backupId, fragments, env, butype, imageBytes: bytes, path };
  const steps = [{ ...step, entries, expectedFiles: BigInt(paths.length) }];
  return {
    job: { type: 'JOB_TYPE_RESTORE', client: 'filer', restore: { destClient: 'filer', steps } },
    restoreStep: 0,
  };
}

export function writeHugeFile(server: MediaServer): void {
  writeFileSync(join(server.data, 'huge.bin'), Buffer.alloc(HUGE_BYTES, 3));
}
