// Our own rules for manifests, beyond the API's schema. Each returns what breaks it, in words.

import type { IContainer } from 'kubernetes-models/v1/Container';
import type { IPodTemplateSpec } from 'kubernetes-models/v1/PodTemplateSpec';
import type { Manifest } from './kustomize.ts';
import { nameOf } from './schema-check.ts';

interface Workload {
  readonly name: string;
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly template: IPodTemplateSpec;
  readonly selector: Readonly<Record<string, string>> | undefined;
  readonly claims: readonly string[];
}

export function brokenRules(manifests: readonly Manifest[]): string[] {
  const workloads = workloadsOf(manifests);
  return [
    ...workloads.flatMap((workload) => [
      ...containersOf(workload).flatMap((container) => containerFaults(workload, container)),
      ...podFaults(workload),
      ...mountFaults(workload),
    ]),
    ...serviceFaults(manifests, workloads),
    ...claimFaults(manifests, workloads),
    ...doubles(manifests),
  ];
}

export function workloadsOf(manifests: readonly Manifest[]): Workload[] {
  return manifests.flatMap((manifest) => {
    const spec = manifest.spec as
      | {
          template?: IPodTemplateSpec;
          selector?: { matchLabels?: Record<string, string> };
          volumeClaimTemplates?: { metadata: { name: string } }[];
        }
      | undefined;
    if (spec?.template === undefined) return [];
    return [
      {
        name: nameOf(manifest),
        kind: manifest.kind,
        namespace: manifest.metadata.namespace,
        template: spec.template,
        selector: spec.selector?.matchLabels,
        claims: (spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name),
      },
    ];
  });
}

export function containersOf({ template }: Workload): IContainer[] {
  return [...(template.spec?.containers ?? []), ...(template.spec?.initContainers ?? [])];
}

function containerFaults(workload: Workload, container: IContainer): string[] {
  const faults: string[] = [];
  const say = (fault: string): void =>
    void faults.push(`${workload.name}, container ${container.name}: ${fault}`);
  const tag = /:([^/:]+)$/.exec(container.image ?? '')?.[1];
  if (tag === undefined || tag === 'latest') say(`image ${container.image} has no fixed tag`);
  const { requests, limits } = container.resources ?? {};
  if (requests?.cpu === undefined || requests.memory === undefined) say('no requests');
  if (limits?.memory === undefined) say('no limit of memory');
  const rights = container.securityContext;
  if (rights?.allowPrivilegeEscalation !== false) say('may gain privileges');
  if (rights?.readOnlyRootFilesystem !== true) say('may write to its image');
  if (!rights?.capabilities?.drop?.includes('ALL')) say('keeps capabilities');
  if (workload.kind !== 'Job') {
    if (container.livenessProbe === undefined) say('no liveness probe');
    if (container.readinessProbe === undefined) say('no readiness probe');
  }
  const ports = new Set((container.ports ?? []).map(({ name }) => name));
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    const port = probe?.httpGet?.port ?? probe?.tcpSocket?.port;
    if (typeof port === 'string' && !ports.has(port)) say(`a probe asks at unknown port ${port}`);
  }
  return faults;
}

function podFaults({ name, template, selector }: Workload): string[] {
  const { spec, metadata } = template;
  const faults: string[] = [];
  if (spec?.securityContext?.runAsNonRoot !== true) faults.push('may run as root');
  if (spec?.securityContext?.seccompProfile?.type !== 'RuntimeDefault') faults.push('no seccomp');
  if (spec?.automountServiceAccountToken !== false) faults.push('is given an API token');
  // NBRB_SERVICE_HOST and the like would reach daemons as unknown settings.
  if (spec?.enableServiceLinks !== false) faults.push('has service links');
  if (selector !== undefined && !matches(selector, metadata?.labels)) {
    faults.push('its selector does not match its pods');
  }
  const ports = (spec?.containers ?? []).flatMap((container) => container.ports ?? []);
  const numbers = ports.map(({ containerPort }) => containerPort);
  if (new Set(numbers).size !== numbers.length) faults.push('two containers use one port');
  return faults.map((fault) => `${name}: ${fault}`);
}

function mountFaults(workload: Workload): string[] {
  const volumes = new Set([
    ...(workload.template.spec?.volumes ?? []).map(({ name }) => name),
    ...workload.claims,
  ]);
  const mounted = new Set(
    containersOf(workload).flatMap(({ volumeMounts }) => (volumeMounts ?? []).map((m) => m.name)),
  );
  return [
    ...[...mounted].filter((name) => !volumes.has(name)).map((name) => `no volume ${name}`),
    ...[...volumes].filter((name) => !mounted.has(name)).map((name) => `volume ${name} is unused`),
  ].map((fault) => `${workload.name}: ${fault}`);
}

function serviceFaults(manifests: readonly Manifest[], workloads: readonly Workload[]): string[] {
  return manifests
    .filter(({ kind }) => kind === 'Service')
    .flatMap((service) => {
      const { selector, ports } = service.spec as {
        selector: Record<string, string>;
        ports: { targetPort?: string; port: number }[];
      };
      const chosen = workloads.filter(({ template }) =>
        matches(selector, template.metadata?.labels),
      );
      if (chosen.length !== 1) return [`${nameOf(service)}: selects ${chosen.length} workloads`];
      const open = chosen.flatMap(containersOf).flatMap((container) => container.ports ?? []);
      return ports
        .filter(({ targetPort }) => targetPort !== undefined)
        .filter(({ targetPort }) => !open.some(({ name }) => name === targetPort))
        .map(({ targetPort }) => `${nameOf(service)}: nobody has port ${targetPort}`);
    });
}

function claimFaults(manifests: readonly Manifest[], workloads: readonly Workload[]): string[] {
  const claims = manifests
    .filter(({ kind }) => kind === 'PersistentVolumeClaim')
    .map(({ metadata }) => metadata.name);
  const used = workloads.flatMap(({ template }) =>
    (template.spec?.volumes ?? []).flatMap(
      ({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? [],
    ),
  );
  return [
    ...used.filter((name) => !claims.includes(name)).map((name) => `claim ${name} is missing`),
    ...claims.filter((name) => !used.includes(name)).map((name) => `claim ${name} is unused`),
  ];
}

function doubles(manifests: readonly Manifest[]): string[] {
  const names = manifests.map((each) => `${nameOf(each)} in ${each.metadata.namespace ?? '-'}`);
  return names.filter((name, i) => names.indexOf(name) !== i).map((name) => `${name} twice`);
}

function matches(
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  return Object.entries(selector).every(([key, value]) => labels?.[key] === value);
}
