// What all our pods and containers have in common: rights, probes, secrets, environment.

import { secretNameOf } from '@tapestry/tools/provision/kubernetes-secrets.ts';
import {
  commandOf,
  environmentOf,
  LIBRARY_DIR,
  NATS_PORT,
  SECRETS_DIR,
  type Service,
  STATE_DIR,
  type Surroundings,
  serviceOf,
  USER_ID,
} from '@tapestry/tools/provision/services.ts';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { IEnvVar } from 'kubernetes-models/v1/EnvVar';
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec';
import type { IVolume } from 'kubernetes-models/v1/Volume';
import { IMAGES } from '../../images/images.ts';

export const NAMESPACE = 'tapestry';
export const SITE = 'tapestry-site';

/** The site's own values stand in one ConfigMap; $(NAME) is filled in by Kubernetes from variables set before. */
const SURROUNDINGS: Surroundings = {
  natsUrl: `nats://nats:${NATS_PORT}`,
  databaseHost: '$(SITE_DATABASE_HOST)',
  logLevel: '$(SITE_LOG_LEVEL)',
  uploadUrl: `http://bpdbm:${serviceOf('bpdbm').port}`,
  dataHost: () => '$(POD_IP)',
};

const siteValue = (name: string, key: string): IEnvVar => ({
  name,
  valueFrom: { configMapKeyRef: { name: SITE, key } },
});

const podField = (name: string, fieldPath: string): IEnvVar => ({
  name,
  valueFrom: { fieldRef: { fieldPath } },
});

export function labelsOf(name: string): Record<string, string> {
  return { 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'tapestry' };
}

export function metadata(name: string, labels: Record<string, string> = labelsOf(name)) {
  return { name, namespace: NAMESPACE, labels };
}

export const CONTAINER_RIGHTS = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

/** Of every pod of ours. No service links: `NBRB_PORT` in a daemon's environment would be an unknown setting. */
export function podBasics(userId = USER_ID) {
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 30,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: userId,
      runAsGroup: userId,
      fsGroup: userId,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
  } satisfies Partial<IPodSpec>;
}

export interface Size {
  readonly cpu: string;
  readonly memory: string;
  readonly memoryMax: string;
}

const SMALL: Size = { cpu: '50m', memory: '128Mi', memoryMax: '512Mi' };
const SIZES: Readonly<Record<string, Size>> = {
  bpdbm: { cpu: '100m', memory: '192Mi', memoryMax: '1Gi' },
  // A ring of 32 MiB and a process for each stream.
  bptm: { cpu: '500m', memory: '512Mi', memoryMax: '4Gi' },
  // Builds file lists within 512 MiB, in a child.
  ndmpagent: { cpu: '200m', memory: '256Mi', memoryMax: '2Gi' },
};

export function resourcesOf({
  cpu,
  memory,
  memoryMax,
}: Size): NonNullable<IContainer['resources']> {
  return { requests: { cpu, memory }, limits: { memory: memoryMax } };
}

/** `portName` differs between the containers of one pod. */
export function daemonContainer(service: Service, portName = 'http'): IContainer {
  const { daemon, name, port } = service;
  const probe = (path: string, times: object) => ({ httpGet: { path, port: portName }, ...times });
  return {
    name: daemon,
    image: IMAGES.tapestry,
    command: commandOf(daemon),
    env: environment(service),
    ports: [{ name: portName, containerPort: port }],
    startupProbe: probe('/livez', { periodSeconds: 2, failureThreshold: 60 }),
    livenessProbe: probe('/livez', { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }),
    readinessProbe: probe('/readyz', { periodSeconds: 5, timeoutSeconds: 5 }),
    resources: resourcesOf(SIZES[daemon] ?? SMALL),
    securityContext: CONTAINER_RIGHTS,
    volumeMounts: [
      { name: `secrets-${name}`, mountPath: SECRETS_DIR, readOnly: true },
      { name: 'state', mountPath: STATE_DIR },
      { name: 'tmp', mountPath: '/tmp' },
      ...(service.usesLibrary ? [{ name: 'library', mountPath: LIBRARY_DIR }] : []),
    ],
  };
}

function environment(service: Service): IEnvVar[] {
  const isMedia = service.identity.host !== undefined;
  const settings = Object.entries(environmentOf(service, SURROUNDINGS));
  return [
    siteValue('SITE_LOG_LEVEL', 'log-level'),
    ...(service.usesDatabase ? [siteValue('SITE_DATABASE_HOST', 'database-host')] : []),
    ...(service.daemon === 'bptm' ? [podField('POD_IP', 'status.podIP')] : []),
    // A leader that starts again in its pod leads again at once; one in another pod waits for the lease.
    ...(isMedia ? [] : [podField('TAPESTRY_INSTANCE', 'metadata.name')]),
    ...settings.map(([name, value]) => ({ name, value })),
  ];
}

export function secretVolume(name: string): IVolume {
  return {
    name: `secrets-${name}`,
    secret: { secretName: secretNameOf(name), defaultMode: 0o440 },
  };
}

export const TMP_VOLUME: IVolume = { name: 'tmp', emptyDir: { sizeLimit: '1Gi' } };
