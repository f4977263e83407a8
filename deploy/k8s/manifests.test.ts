// The Kubernetes manifests, rendered and checked without a cluster: schema, unknown keys, our own rules, and that a daemon
// is told the same as in compose.

import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { MEDIA_DAEMONS, PRIMARY_DAEMONS } from '@tapestry/tools/provision/services.ts';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type Manifest, merge, render } from './kustomize.ts';
import { brokenRules, containersOf, workloadsOf } from './rules.ts';
import { nameOf, schemaFaults } from './schema-check.ts';

const folder = (name: string): string => join(import.meta.dirname, name);
const OVERLAYS = ['overlays/demo', 'overlays/production'];
const ALL = [...OVERLAYS, 'base', 'setup', 'overlays/production/setup'];

test.each(ALL)('%s has only what the API knows', async (name) => {
  const manifests = render(folder(name));
  expect(manifests.length).toBeGreaterThan(0);
  const faults = await Promise.all(manifests.map(schemaFaults));
  expect(faults.flat()).toEqual([]);
});

test('a wrong type and an unknown key are found', async () => {
  const [service] = render(folder('base')).filter(({ kind }) => kind === 'Service');
  const spoilt = (spec: object): Manifest => ({ ...(service as Manifest), spec });
  expect(await schemaFaults(spoilt({ ports: 'http' }))).toHaveLength(1);
  expect(await schemaFaults(spoilt({ prots: [], ports: [{ port: 1, nmae: 'x' }] }))).toEqual([
    expect.stringContaining('unknown /spec/prots'),
    expect.stringContaining('unknown /spec/ports/0/nmae'),
  ]);
});

test.each(OVERLAYS)('%s keeps our rules', (name) => {
  // The jobs of set-up are applied beside the overlay.
  expect(brokenRules([...render(folder(name)), ...render(folder('setup'))])).toEqual([]);
});

test('rules find what they are for', () => {
  const manifests = render(folder('overlays/demo'));
  const nbrb = manifests.find((each) => nameOf(each) === 'Deployment nbrb') as Manifest;
  const spoil = (patch: object): string[] =>
    brokenRules(
      manifests.map((each) =>
        each === nbrb ? (merge(nbrb as never, patch as never) as never) : each,
      ),
    );
  const container = (patch: object) => ({
    spec: { template: { spec: { containers: [{ name: 'nbrb', ...patch }] } } },
  });
  expect(spoil(container({ image: 'tapestry' }))).toHaveLength(1);
  expect(spoil(container({ resources: null }))).toHaveLength(2);
  expect(spoil(container({ livenessProbe: null }))).toHaveLength(1);
  expect(spoil(container({ securityContext: { readOnlyRootFilesystem: false } }))).toHaveLength(1);
  expect(spoil({ spec: { template: { spec: { enableServiceLinks: true } } } })).toHaveLength(1);
  expect(
    spoil({ spec: { selector: { matchLabels: { 'app.kubernetes.io/name': 'x' } } } }),
  ).toHaveLength(1);
});

test('every daemon runs, and a media server is one pod with one process space', () => {
  const workloads = workloadsOf(render(folder('base')));
  const names = workloads.map(({ name }) => name);
  for (const daemon of PRIMARY_DAEMONS) expect(names).toContain(`Deployment ${daemon}`);
  const media = workloads.find(({ name }) => name === 'StatefulSet media1');
  expect(containersOf(media!).map(({ name }) => name)).toEqual(MEDIA_DAEMONS);
  expect(media!.template.spec?.shareProcessNamespace).toBe(true);
});

test('production has three bus servers, streams in three copies, and our registry', () => {
  const manifests = render(folder('overlays/production'));
  const find = (name: string) => manifests.find((each) => nameOf(each) === name);
  expect(find('StatefulSet nats')?.spec).toMatchObject({ replicas: 3 });
  expect(find('ConfigMap tapestry-site')?.data).toMatchObject({ 'stream-replicas': '3' });
  expect(find('StatefulSet postgres')).toBeUndefined();
  const images = workloadsOf(manifests)
    .flatMap(containersOf)
    .map(({ image }) => image);
  expect(images.filter((image) => image?.startsWith('tapestry:'))).toEqual([]);
});

const kubectl = spawnSync('kubectl', ['kustomize', '--help'], { stdio: 'ignore' }).status === 0;
test.for(ALL)('%s renders as kubectl renders it', (name, { skip }) => {
  if (!kubectl) skip('kubectl is not installed');
  const text = execFileSync('kubectl', ['kustomize', folder(name)], { encoding: 'utf8' });
  const theirs = parseAllDocuments(text, { version: '1.1' }).map((each) => each.toJS() as Manifest);
  const sorted = (all: Manifest[]) => all.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  expect(sorted(render(folder(name)))).toEqual(sorted(theirs));
});
