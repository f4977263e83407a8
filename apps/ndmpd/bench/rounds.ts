// One round after the other, everybody in turns: whatever else the machine does falls on all of them.

import { execFile, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Pval } from '@tapestry/ndmp';
import { percentile } from '../../../tools/bench/figures.ts';
import { swallow, timeBackup, timeRecovery } from './dma.ts';
import type { BenchServer } from './servers.ts';

const run = promisify(execFile);
const RAW_COPY = new URL('./raw-copy.ts', import.meta.url).pathname;
/** Longer than a server takes to bury a process, and to start the next one ahead. */
const SETTLE_MS = 500;
const HISTORIES = ['n', 'f', 'd'] as const;
export const TAR = 'GNU tar';
export const RAW = 'raw copy';

type Tree = 'large' | 'small' | 'empty';

export class Rounds {
  readonly servers: readonly BenchServer[];
  readonly #work: string;
  readonly #parts: readonly string[];
  readonly #seconds = new Map<string, number[]>();
  readonly #cpuSeconds = new Map<string, number[]>();
  readonly #env = new Map<string, Pval[]>();
  #counts = false;

  /** `parts`: "backup", "recovery". */
  constructor(work: string, servers: readonly BenchServer[], parts: readonly string[]) {
    this.#work = work;
    this.servers = servers;
    this.#parts = parts;
  }

  /** The first one makes the images that recoveries read; it should not count. */
  async run({ counts }: { counts: boolean }): Promise<void> {
    this.#counts = counts;
    if (this.#env.size === 0) await this.#makeImages();
    if (this.#parts.includes('backup')) {
      for (const server of this.servers) await this.#backUp(server, 'empty', 'n');
      this.#add(RAW, 'backup large', await this.#rawCopy());
      for (const server of this.servers) await this.#backUp(server, 'large', 'n');
      this.#add(TAR, 'backup small', await this.#tarBackup());
      for (const history of HISTORIES) {
        for (const server of this.servers) await this.#backUp(server, 'small', history);
      }
    }
    if (!this.#parts.includes('recovery')) return;
    for (const tree of ['empty', 'large', 'small'] as const) {
      this.#add(TAR, `recovery ${tree}`, await this.#tarRecovery(tree));
      for (const server of this.servers) await this.#recover(server, tree);
    }
  }

  /** The middle of the rounds that counted; undefined for what was not measured. */
  seconds(who: string, what: string): number | undefined {
    return middle(this.#seconds.get(`${who} ${what}`));
  }

  /** Of the processors, by all processes of a server. */
  cpuSeconds(who: string, what: string): number | undefined {
    return middle(this.#cpuSeconds.get(`${who} ${what}`));
  }

  #add(who: string, what: string, seconds: number, cpuSeconds?: number): void {
    const cpu = cpuSeconds === undefined ? '' : `, ${cpuSeconds.toFixed(2)} s of the processors`;
    process.stderr.write(
      `${this.#counts ? '  ' : '  ('}${who}, ${what}: ${seconds.toFixed(2)} s${cpu}\n`,
    );
    if (!this.#counts) return;
    const key = `${who} ${what}`;
    this.#seconds.set(key, [...(this.#seconds.get(key) ?? []), seconds]);
    if (cpuSeconds === undefined) return;
    this.#cpuSeconds.set(key, [...(this.#cpuSeconds.get(key) ?? []), cpuSeconds]);
  }

  #image(server: BenchServer, tree: Tree): string {
    return join(this.#work, `${server.name}-${tree}.image`);
  }

  async #makeImages(): Promise<void> {
    for (const server of this.servers) {
      for (const tree of ['large', 'small', 'empty'] as const) {
        const env = backupEnv(server, tree, 'n');
        const made = await timeBackup(server.login, env, this.#image(server, tree));
        this.#env.set(`${server.name} ${tree}`, made.env);
      }
    }
  }

  async #rawCopy(): Promise<number> {
    const { port, received } = await swallow();
    spawn(process.execPath, [RAW_COPY, String(port), join(this.#work, 'large', 'file')], {
      stdio: 'inherit',
    });
    return (await received).seconds;
  }

  async #backUp(server: BenchServer, tree: Tree, history: string): Promise<void> {
    const before = server.cpuSeconds();
    const { seconds, entries } = await timeBackup(server.login, backupEnv(server, tree, history));
    const spent = await this.#spent(server, before);
    if (history !== 'n' && entries === 0) throw new Error(`${server.name} sent no history`);
    const what = `backup ${tree}${history === 'n' ? '' : ` HIST=${history}`}`;
    this.#add(server.name, what, seconds, spent);
  }

  async #recover(server: BenchServer, tree: Tree): Promise<void> {
    const env = this.#env.get(`${server.name} ${tree}`) ?? [];
    const image = this.#image(server, tree);
    mkdirSync(join(this.#work, 'to'));
    const destination = server.nameOf('to');
    const before = server.cpuSeconds();
    const seconds = await timeRecovery(server.login, { image, env, destination });
    const spent = await this.#spent(server, before);
    await this.#compare(tree);
    this.#add(server.name, `recovery ${tree}`, seconds, spent);
  }

  /** Once the processes of the operation are gone, and with them their count is complete. */
  async #spent(server: BenchServer, before: number | undefined): Promise<number | undefined> {
    await sleep(SETTLE_MS);
    const after = server.cpuSeconds();
    return before === undefined || after === undefined ? undefined : after - before;
  }

  /** Into a pipe, as the streams of the others go to another process. */
  async #tarBackup(): Promise<number> {
    const from = join(this.#work, 'small');
    return timed(() => sh('tar -cf - -C "$1" . | cat >/dev/null', from));
  }

  async #tarRecovery(tree: Tree): Promise<number> {
    const image = this.#image(this.servers[0] as BenchServer, tree);
    const to = join(this.#work, 'to');
    mkdirSync(to);
    const seconds = await timed(() => sh('cat "$1" | tar -xpf - -C "$2"', image, to));
    await this.#compare(tree);
    return seconds;
  }

  /** A recovery that left something out would be fast. Removes what was recovered. */
  async #compare(tree: Tree): Promise<void> {
    const to = join(this.#work, 'to');
    await run('diff', ['-r', '-q', join(this.#work, tree), to]);
    await run('rm', ['-rf', to]);
  }
}

function backupEnv(server: BenchServer, tree: Tree, history: string): Pval[] {
  return [
    { name: 'FILESYSTEM', value: server.nameOf(tree) },
    { name: 'TYPE', value: 'tar' },
    { name: 'HIST', value: history },
  ];
}

function middle(values: readonly number[] | undefined): number | undefined {
  return values === undefined ? undefined : percentile(values, 50);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function sh(script: string, ...args: string[]): Promise<unknown> {
  return run('sh', ['-c', script, 'sh', ...args]);
}
