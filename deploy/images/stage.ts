// Puts the tree that the image holds into a folder: sources and generated files of all workspaces, the built console,
// and the npm packages that they import. The Dockerfile only copies it, so an image needs no registry and no compiler.

import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { importedPackages, type LockEntry, type LockPackages, packagesFor } from './packages.ts';

export const ROOT = resolve(import.meta.dirname, '../..');

/** Tools that run inside containers: set-up and the demo. */
const TOOLS = ['certs', 'demo', 'launcher', 'provision'];
const CHECKS = ['deploy/images/ready.js', 'deploy/images/listening.js'];
const TEST_FOLDERS = new Set(['test', 'bench', 'conformance', 'node_modules', 'page']);
const DEVELOPMENT_FILE = /\.test\.tsx?$|^(tsconfig.*|biome)\.json$|^generate|^vite\.config\.ts$/;
/** Types, maps and prose of packages: a third of their size, read by nobody at run time. */
const UNREAD_FILE = /\.(d\.[cm]?ts|[cm]?ts|map|md|markdown|flow)$/;

export interface Staged {
  readonly folder: string;
  readonly packages: number;
}

/** Makes the folder anew: `app` and `mounts` in it. @throws Error naming what has to be generated, built or installed first */
export function stageImage(target: string): Staged {
  checkBuilt();
  rmSync(target, { recursive: true, force: true });
  const folder = join(target, 'app');
  const workspaces = ['apps', 'libs'].flatMap((parent) =>
    readdirSync(join(ROOT, parent))
      .map((name) => `${parent}/${name}`)
      .filter((path) => existsSync(join(ROOT, path, 'package.json')) && path !== 'libs/testkit'),
  );
  for (const path of workspaces) copySources(path, folder, () => true);
  copySources('tools', folder, (name) => TOOLS.includes(name.split('/')[0] as string));
  for (const path of ['bin', 'tools/setup/exec.sh', ...CHECKS]) {
    cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  }
  writeRootPackage(folder);
  const places = [...workspaces, 'tools'];
  for (const path of places) link(path, folder);
  const packages = copyPackages(places, folder);
  for (const path of ['var/lib/tapestry', 'run/tapestry']) {
    mkdirSync(join(target, 'mounts', path), { recursive: true });
  }
  return { folder: target, packages };
}

function checkBuilt(): void {
  for (const [path, how] of [
    ['libs/contracts/gen/messages.js', 'npm run generate'],
    ['apps/console/dist/index.html', 'npx nx run-many -t build'],
  ] as const) {
    if (!existsSync(join(ROOT, path))) throw new Error(`${path} is missing: run "${how}" first`);
  }
}

function copySources(path: string, folder: string, wanted: (name: string) => boolean): void {
  const from = join(ROOT, path);
  cpSync(from, join(folder, path), {
    recursive: true,
    filter: (source) => {
      const name = relative(from, source);
      if (name === '' || name === 'package.json') return true;
      if (name.split('/').some((part) => TEST_FOLDERS.has(part))) return false;
      return !DEVELOPMENT_FILE.test(basename(name)) && wanted(name);
    },
  });
}

/** Node needs it for `type: module`; npm never runs in the image. */
function writeRootPackage(folder: string): void {
  const { name, version, license } = readJson(join(ROOT, 'package.json')) as Record<string, string>;
  const kept = { name, version, private: true, license, type: 'module' };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(kept, null, 2)}\n`);
}

/** Workspaces stay links: Node strips types only outside node_modules, and goes by the real path. */
function link(path: string, folder: string): void {
  const { name } = readJson(join(folder, path, 'package.json')) as { name: string };
  const place = join(folder, 'node_modules', name);
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(relative(dirname(place), join(folder, path)), place);
}

function copyPackages(workspaces: readonly string[], folder: string): number {
  const lock = readJson(join(ROOT, 'package-lock.json')) as { packages: LockPackages };
  const needs = workspaces.flatMap((from) => {
    const declared = Object.keys(
      (lock.packages[from] as LockEntry | undefined)?.dependencies ?? {},
    );
    const imported = new Set(sourcesIn(join(folder, from)).flatMap(importedPackages));
    return declared.filter((name) => imported.has(name)).map((name) => ({ from, name }));
  });
  const paths = packagesFor(ROOT, lock.packages, needs);
  for (const path of paths) copyPackage(join(ROOT, path), join(folder, path));
  return paths.length;
}

function copyPackage(from: string, to: string): void {
  cpSync(from, to, {
    recursive: true,
    dereference: true,
    filter: (source) => {
      const name = relative(from, source);
      return name !== 'node_modules' && !UNREAD_FILE.test(name);
    },
  });
}

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|js)$/.test(name) && !/(^|\/)dist\//.test(name))
    .map((name) => readFileSync(join(folder, name), 'utf8'));
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}
