// The demo's backup and restore inside the containers: the same commands as on one machine.

import { configureSteps } from '@tapestry/tools/demo/configure.ts';
import { LIBRARY_DIR, NDMP_PORT, SECRETS_DIR } from '@tapestry/tools/provision/services.ts';
import { MEDIA_HOST } from './compose-model.ts';
import type { Composition } from './composition.ts';

export interface DemoSize {
  readonly files: number;
  readonly bytes: number;
}

const DATA = '/srv/filer/data';
const RESTORE = '/srv/filer/restore';
const TREE = ['node', 'tools/demo/tree-command.ts'];

export interface DemoSteps {
  makeTree(size: DemoSize): Promise<void>;
  configure(): Promise<void>;
  backUp(): Promise<string>;
  browse(): Promise<string>;
  restore(): Promise<string>;
  /** Rejects with what differs. */
  compare(): Promise<string>;
}

export function demoSteps(system: Composition, show: (text: string) => void): DemoSteps {
  const command = async (words: readonly string[], input?: string): Promise<string> => {
    show(`$ ${words.join(' ')}\n`);
    const said = await system.exec('commands', words, input);
    show(said);
    return said;
  };
  return {
    makeTree: async ({ files, bytes }) => {
      await system.exec('filer', ['mkdir', '-p', DATA, RESTORE]);
      const size = ['--files', String(files), '--bytes', String(bytes)];
      await system.exec('filer', [...TREE, 'make', DATA, ...size]);
    },
    configure: async () => {
      const password = await system.exec('filer', ['cat', `${SECRETS_DIR}/filer-password`]);
      const filer = { host: 'filer', port: NDMP_PORT, user: 'backup' };
      const site = { libraryDir: `${LIBRARY_DIR}/vtl`, capacity: '4g', host: MEDIA_HOST };
      for (const { words, wantsPassword } of configureSteps({ ...site, filer, path: '/data' })) {
        await command(words, wantsPassword ? password : undefined);
      }
    },
    backUp: () => command(['bpbackup', '-i', '-p', 'demo', '-s', 'full', '-h', 'filer1', '-w']),
    browse: () => command(['bpimagelist', '-U', '-client', 'filer1']),
    restore: async () => {
      const rename = '/tmp/rename';
      await system.exec('commands', ['tee', rename], 'change /data to /restore\n');
      const what = ['-C', 'filer1', '-t', '19', '-R', rename, '-w', '/data'];
      return command(['bprestore', ...what]);
    },
    compare: () => system.exec('filer', [...TREE, 'compare', DATA, RESTORE]),
  };
}
