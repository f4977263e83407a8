// What the demo overlay adds for one node: a PostgreSQL server of its own and a filer to try things on.

import {
  NDMP_PORT,
  POSTGRES_PORT,
  POSTGRES_USER_ID,
  SECRETS_DIR,
} from '@tapestry/tools/provision/services.ts';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IStatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { IService } from 'kubernetes-models/v1/Service';
import { IMAGES } from '../../images/images.ts';
import {
  CONTAINER_RIGHTS,
  labelsOf,
  metadata,
  podBasics,
  resourcesOf,
  secretVolume,
  TMP_VOLUME,
} from './pod.ts';
import { claim } from './primary.ts';

const PASSWORD_FILE = `${SECRETS_DIR}/postgres-password`;

export function database(): IStatefulSet {
  const { spec } = claim('data', '10Gi');
  const ready = { exec: { command: ['pg_isready', '-q', '-h', '127.0.0.1', '-U', 'postgres'] } };
  const container: IContainer = {
    name: 'postgres',
    image: IMAGES.postgres,
    args: [
      ...['postgres', '-c', 'max_connections=200', '-c', 'ssl=on'],
      ...['-c', `ssl_cert_file=${SECRETS_DIR}/postgres.pem`],
      ...['-c', `ssl_key_file=${SECRETS_DIR}/postgres.key`],
    ],
    env: [{ name: 'POSTGRES_PASSWORD_FILE', value: PASSWORD_FILE }],
    ports: [{ name: 'postgres', containerPort: POSTGRES_PORT }],
    startupProbe: { ...ready, periodSeconds: 2, failureThreshold: 60 },
    livenessProbe: { ...ready, timeoutSeconds: 10, failureThreshold: 6 },
    readinessProbe: { ...ready, timeoutSeconds: 5 },
    resources: resourcesOf({ cpu: '200m', memory: '256Mi', memoryMax: '1Gi' }),
    securityContext: CONTAINER_RIGHTS,
    volumeMounts: [
      { name: 'secrets-postgres', mountPath: SECRETS_DIR, readOnly: true },
      { name: 'data', mountPath: '/var/lib/postgresql' },
      { name: 'run', mountPath: '/run/postgresql' },
      { name: 'shared', mountPath: '/dev/shm' },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadata('postgres'),
    spec: {
      serviceName: 'postgres',
      replicas: 1,
      selector: { matchLabels: labelsOf('postgres') },
      template: {
        metadata: { labels: labelsOf('postgres') },
        spec: {
          ...podBasics(POSTGRES_USER_ID),
          containers: [container],
          volumes: [
            secretVolume('postgres'),
            { name: 'run', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
            { name: 'shared', emptyDir: { medium: 'Memory', sizeLimit: '256Mi' } },
            TMP_VOLUME,
          ],
        },
      },
      volumeClaimTemplates: [
        { metadata: { name: 'data' }, ...(spec === undefined ? {} : { spec }) },
      ],
    },
  };
}

/** It runs as an ordinary user and so restores owners only where they are its own. */
export function filer(): IDeployment {
  const listening = { tcpSocket: { port: 'ndmp' } };
  const container: IContainer = {
    name: 'ndmpd',
    image: IMAGES.tapestry,
    command: [
      ...['node', 'apps/ndmpd/src/main.ts', '--listen', `0.0.0.0:${NDMP_PORT}`],
      ...['--user', 'backup', '--password-file', `${SECRETS_DIR}/filer-password`],
      ...['--export', 'data=/srv/filer/data', '--export', 'restore=/srv/filer/restore'],
      ...['--dump-dates', '/srv/filer/dump-dates'],
    ],
    ports: [{ name: 'ndmp', containerPort: NDMP_PORT }],
    livenessProbe: { ...listening, periodSeconds: 30 },
    readinessProbe: { ...listening, periodSeconds: 10 },
    resources: resourcesOf({ cpu: '50m', memory: '128Mi', memoryMax: '1Gi' }),
    securityContext: CONTAINER_RIGHTS,
    volumeMounts: [
      { name: 'secrets-filer', mountPath: SECRETS_DIR, readOnly: true },
      { name: 'data', mountPath: '/srv/filer' },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata('filer'),
    spec: {
      replicas: 1,
      strategy: { type: 'Recreate' },
      selector: { matchLabels: labelsOf('filer') },
      template: {
        metadata: { labels: labelsOf('filer') },
        spec: {
          ...podBasics(),
          containers: [container],
          volumes: [
            secretVolume('filer'),
            { name: 'data', persistentVolumeClaim: { claimName: 'filer' } },
            TMP_VOLUME,
          ],
        },
      },
    },
  };
}

export const filerClaim = () => claim('filer', '10Gi');

export function demoServices(): IService[] {
  const service = (name: string, portName: string, port: number): IService => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(name),
    spec: { selector: labelsOf(name), ports: [{ name: portName, port, targetPort: portName }] },
  });
  return [service('postgres', 'postgres', POSTGRES_PORT), service('filer', 'ndmp', NDMP_PORT)];
}
