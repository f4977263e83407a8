// A daemon is told the same in compose and in Kubernetes, every daemon takes what it is told, and every secret file that
// it is told of is delivered to it.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureSecretStore } from '@tapestry/tools/provision/secret-store.ts';
import { SECRETS_DIR, type Service, servicesOf } from '@tapestry/tools/provision/services.ts';
import { expect, test } from 'vitest';
import type { Start } from './check-configs.ts';
import { MEDIA_HOST } from './compose/compose-model.ts';
import { readYaml, render } from './k8s/kustomize.ts';
import { containersOf, workloadsOf } from './k8s/rules.ts';

const ROOT = join(import.meta.dirname, '..');
const services = servicesOf([MEDIA_HOST]);

interface ComposeService {
  readonly environment?: Record<string, string>;
  readonly '<<'?: ComposeService;
  readonly volumes?: string[];
}

const [composeFile] = readYaml(join(import.meta.dirname, 'compose/docker-compose.yml')) as [
  { services: Record<string, ComposeService> },
];
const manifests = render(join(import.meta.dirname, 'k8s/base'));

function composeEnvironment(service: Service): Record<string, string> {
  const filled = Object.entries(composeFile.services[service.name]?.environment ?? {}).map(
    ([name, value]) => [name, value.replace(/\$\{\w+:-([^}]*)\}/g, '$1')],
  );
  return Object.fromEntries(filled) as Record<string, string>;
}

/** As the kubelet makes it: fields and the site's values first, then what refers to them. */
function kubernetesEnvironment(service: Service): Record<string, string> {
  const site = manifests.find(({ kind }) => kind === 'ConfigMap')?.data as Record<string, string>;
  const containers = workloadsOf(manifests).flatMap(containersOf);
  const container = containers.find(({ name }) => name === service.daemon);
  const env: Record<string, string> = {};
  for (const { name, value, valueFrom } of container?.env ?? []) {
    const key = valueFrom?.configMapKeyRef?.key;
    env[name] =
      value?.replace(/\$\((\w+)\)/g, (_all, other: string) => {
        const known = env[other];
        if (known === undefined) throw new Error(`${name} refers to ${other}, not set before it`);
        return known;
      }) ?? (key === undefined ? '192.0.2.7' : (site[key] as string));
  }
  return env;
}

/** Differ by what they are: where a pod runs, and the variables that others are made of. */
const OWN = /^(SITE_.*|POD_IP|TAPESTRY_INSTANCE|BPTM_DATA_HOST)$/;

test.each(services)('$name is told the same in compose and Kubernetes', (service) => {
  const comparable = (env: Record<string, string>) =>
    Object.fromEntries(Object.entries(env).filter(([name]) => !OWN.test(name)));
  const compose = comparable(composeEnvironment(service));
  expect(Object.keys(compose).length).toBeGreaterThan(5);
  expect(comparable(kubernetesEnvironment(service))).toEqual(compose);
});

test('every daemon takes what it is told, in compose and in Kubernetes', async () => {
  const starts = services.flatMap((service): Start[] => {
    const main = join(ROOT, 'apps', service.daemon, 'src/main.ts');
    return [
      { name: `${service.name} in compose`, main, env: composeEnvironment(service) },
      { name: `${service.name} in Kubernetes`, main, env: kubernetesEnvironment(service) },
    ];
  });
  const script = join(import.meta.dirname, 'check-configs.ts');
  const checking = promisify(execFile)(process.execPath, [script], {
    ...{ env: { PATH: process.env.PATH ?? '' }, timeout: 90_000 },
  });
  checking.child.stdin?.end(JSON.stringify(starts));
  // Rejects with what the daemon wrote that does not take it.
  const { stdout } = await checking;
  const good = services.flatMap(({ name, daemon }) =>
    ['compose', 'Kubernetes'].map(
      (where) => `${name} in ${where}: ${daemon}: the configuration is good`,
    ),
  );
  expect(stdout.trimEnd().split('\n')).toEqual(good);
});

test('every secret file that a daemon is told of is delivered to it, and no other', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tapestry-deliveries-'));
  try {
    const nats = { serverNames: ['nats'], monitorHost: '127.0.0.1', clusterHosts: [] };
    const plan = { hosts: [MEDIA_HOST], nats, databaseNames: ['postgres'] };
    const deliveries = await ensureSecretStore(dir, plan, Date.now());
    for (const service of services) {
      const text = JSON.stringify(composeEnvironment(service));
      const told = text.matchAll(new RegExp(`${SECRETS_DIR}/([\\w.-]+)`, 'g'));
      const delivered = Object.keys(deliveries[service.name]?.files ?? {});
      expect(delivered.sort()).toEqual([...new Set([...told].map(([, name]) => name))].sort());
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
