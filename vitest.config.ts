// One root run, one project an app, lib and tool, so that `npm test -- nbrb` finds it by name.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const root = import.meta.dirname;
const folders = ['apps', 'libs'].flatMap((parent) =>
  readdirSync(join(root, parent))
    .filter((name) => existsSync(join(root, parent, name, 'package.json')))
    .map((name) => ({ name, folder: join(parent, name) })),
);

const single = ['tools', 'deploy'].map((name) => ({ name, folder: name }));

export default defineConfig({
  test: {
    projects: [...folders, ...single].map(({ name, folder }) => ({
      test: {
        name,
        root: join(root, folder),
        include: ['**/*.test.ts', '**/*.test.tsx'],
        exclude: ['**/node_modules/**', '**/dist/**', '**/gen/**'],
        pool: 'forks' as const,
        // For a busy machine of two cores: many times what any test takes, which says more by itself if it is not.
        testTimeout: 120_000,
        hookTimeout: 180_000,
      },
    })),
    maxWorkers: 2,
  },
});
