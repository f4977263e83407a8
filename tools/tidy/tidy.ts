// The rules of the house that no linter knows, checked over the whole repository as a test: layers, names, leftovers.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';

export interface Breach {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
}

type Layer = 'contract' | 'protocol' | 'runtime' | 'testkit' | 'app' | 'tool';

/** What each layer may depend on. Nothing points up; apps never import apps. */
const ALLOWED: Readonly<Record<Layer, readonly Layer[]>> = {
  contract: ['contract'],
  protocol: ['protocol', 'contract'],
  runtime: ['runtime', 'contract'],
  app: ['runtime', 'protocol', 'contract'],
  tool: ['tool', 'runtime', 'protocol', 'contract'],
  testkit: ['testkit', 'runtime', 'protocol', 'contract'],
};

const SKIPPED = new Set([
  'node_modules',
  'dist',
  'gen',
  '.git',
  '.nx',
  '.cache',
  '.state',
  '.state-dev',
]);
/** Files whose imports are partly text: planted breaches, and the template of a daemon. */
const HOLDS_CODE_AS_TEXT = new Set(['tools/tidy/tidy.test.ts', 'tools/new-daemon/templates.ts']);
const BANNED_NAMES = /^(utils?|helpers?|common|misc)\.|Manager|manager\.ts$/;
const IMPORT =
  /(?:^|\s)(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|^import\s+['"]([^'"]+)['"]/gm;

interface Project {
  readonly name: string;
  readonly dir: string;
  readonly layer: Layer;
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
}

export function tidy(root: string): Breach[] {
  const projects = findProjects(root);
  const byName = new Map(projects.map((project) => [project.name, project]));
  const breaches = projects.flatMap((project) => checkDeclared(root, project, byName));
  for (const file of sourceFiles(root)) breaches.push(...checkFile(root, file, projects, byName));
  return breaches;
}

function findProjects(root: string): Project[] {
  const folders = ['apps', 'libs'].flatMap((parent) =>
    existsSync(join(root, parent))
      ? readdirSync(join(root, parent)).map((name) => join(root, parent, name))
      : [],
  );
  return [...folders, join(root, 'deploy'), join(root, 'tools')]
    .filter((dir) => existsSync(join(dir, 'package.json')))
    .map((dir) => {
      const pack = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as {
        name: string;
        nx?: { tags?: string[] };
        dependencies?: Record<string, string>;
        devDependencies?: Record<string, string>;
      };
      const tag = pack.nx?.tags?.find((each) => each.startsWith('layer:')) ?? 'layer:app';
      return {
        name: pack.name,
        dir,
        layer: tag.slice('layer:'.length) as Layer,
        dependencies: new Set(Object.keys(pack.dependencies ?? {})),
        devDependencies: new Set(Object.keys(pack.devDependencies ?? {})),
      };
    });
}

function checkDeclared(
  root: string,
  project: Project,
  byName: ReadonlyMap<string, Project>,
): Breach[] {
  const file = relative(root, join(project.dir, 'package.json'));
  return [...project.dependencies].flatMap((name) => {
    const target = byName.get(name);
    if (target === undefined || ALLOWED[project.layer].includes(target.layer)) return [];
    return [
      { file, line: 1, rule: `a ${project.layer} may not depend on ${name} (${target.layer})` },
    ];
  });
}

function checkFile(
  root: string,
  file: string,
  projects: readonly Project[],
  byName: ReadonlyMap<string, Project>,
): Breach[] {
  const text = readFileSync(file, 'utf8');
  const name = relative(root, file);
  const at = (index: number, rule: string): Breach => ({
    file: name,
    line: text.slice(0, index).split('\n').length,
    rule,
  });
  const breaches: Breach[] = [];
  if (!/\.(ts|tsx|js)$/.test(file)) return breaches;
  if (BANNED_NAMES.test(basename(file))) breaches.push(at(0, 'name a file for what it is'));
  breaches.push(...checkText(name, text, at));
  const project = projects.find(({ dir }) => file.startsWith(dir + sep));
  if (project === undefined || HOLDS_CODE_AS_TEXT.has(name)) return breaches;
  for (const match of text.matchAll(IMPORT)) {
    const target = match[1] ?? match[2] ?? match[3] ?? '';
    const typeOnly = /^\s*(import|export)\s+type\b/.test(match[0]);
    const rule = checkImport(root, { file, target, typeOnly }, project, byName);
    if (rule !== undefined) breaches.push(at(match.index, rule));
  }
  return breaches;
}

function checkText(
  name: string,
  text: string,
  at: (index: number, rule: string) => Breach,
): Breach[] {
  const breaches: Breach[] = [];
  const find = (pattern: RegExp, rule: string): void => {
    for (const match of text.matchAll(pattern)) breaches.push(at(match.index, rule));
  };
  if (!name.startsWith('tools/tidy/')) {
    find(/\b(TODO|FIXME|XXX|HACK)\b/g, 'do it, or file an issue');
    find(/^export \* from/gm, 'name each export');
    find(/\b(test|describe|it)\.only\(/g, 'a test that runs alone hides the others');
    find(/@ts-(ignore|nocheck)/g, 'mend the type');
  }
  if (name.includes('/src/core/') && !name.endsWith('.test.ts')) {
    find(/Math\.random/g, 'core makes nothing random');
    find(/\bawait\b|\basync\b/g, 'core never waits');
  }
  return breaches;
}

function checkImport(
  root: string,
  { file, target, typeOnly }: { file: string; target: string; typeOnly: boolean },
  project: Project,
  byName: ReadonlyMap<string, Project>,
): string | undefined {
  const isTest = /\.test\.tsx?$|\/test\/|\/conformance\/|\/bench\//.test(file);
  if (target.startsWith('.')) {
    const path = resolve(dirname(file), target);
    const leaves = relative(project.dir, path).startsWith('..');
    // A test may run a peer or the launcher; nothing else reaches into another project.
    if (isTest && path.startsWith(join(root, 'tools') + sep)) return undefined;
    return leaves ? `a relative import leaves ${project.name}` : undefined;
  }
  if (!typeOnly && !file.endsWith('.test.ts') && file.includes('/src/core/')) {
    const impure = /^(node:(?!assert|buffer)|@nats-io\/)|^@tapestry\/(bus|runtime|store|storage)$/;
    if (impure.test(target)) return `core/ may not import ${target}`;
  }
  if (target.startsWith('node:')) return undefined;
  const [scope = '', base = ''] = target.split('/');
  const name = scope.startsWith('@') ? `${scope}/${base}` : scope;
  if (name === project.name) return undefined;
  const known = byName.get(name);
  const declared = project.dependencies.has(name) || project.devDependencies.has(name);
  if (known === undefined) return undefined;
  if (!declared) return `${name} is not declared in package.json`;
  if (isTest) return undefined;
  return project.dependencies.has(name) ? undefined : `${name} is for tests alone`;
}

function sourceFiles(dir: string): string[] {
  return readdirSync(dir).flatMap((name) => {
    if (SKIPPED.has(name)) return [];
    const path = join(dir, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return [];
    if (stat.isDirectory()) return sourceFiles(path);
    return /\.(ts|tsx|js|proto|md|sh)$/.test(name) ? [path] : [];
  });
}
