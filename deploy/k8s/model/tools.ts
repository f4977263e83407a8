// Pods that are no daemons: the place where commands are typed, and the two jobs of set-up.

import { NATS_PORT, SECRETS_DIR, STATE_DIR } from '@tapestry/tools/provision/services.ts';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IJob } from 'kubernetes-models/batch/v1/Job';
import type { IContainer } from 'kubernetes-models/v1/Container';
import { IMAGES } from '../../images/images.ts';
import {
  CONTAINER_RIGHTS,
  labelsOf,
  metadata,
  podBasics,
  resourcesOf,
  SITE,
  secretVolume,
  TMP_VOLUME,
} from './pod.ts';

const SIZE = resourcesOf({ cpu: '10m', memory: '64Mi', memoryMax: '512Mi' });
const secretsMount = (name: string) => ({
  name: `secrets-${name}`,
  mountPath: SECRETS_DIR,
  readOnly: true,
});
const TMP_MOUNT = { name: 'tmp', mountPath: '/tmp' };

/** kubectl exec deploy/commands -- bpbackup … */
export function commandsDeployment(host: string): IDeployment {
  const container: IContainer = {
    name: 'commands',
    image: IMAGES.tapestry,
    command: ['sleep', 'infinity'],
    env: [
      { name: 'TAPESTRY_NATS_URL', value: `nats://nats:${NATS_PORT}` },
      { name: 'TAPESTRY_NATS_PASSWORD_FILE', value: `${SECRETS_DIR}/bus-password` },
      { name: 'TAPESTRY_NATS_CA_FILE', value: `${SECRETS_DIR}/ca.pem` },
      { name: 'TAPESTRY_HOST', value: host },
    ],
    // It serves nothing; that a command can run in it is all.
    livenessProbe: { exec: { command: ['true'] }, periodSeconds: 60 },
    readinessProbe: { exec: { command: ['true'] }, periodSeconds: 60 },
    resources: SIZE,
    securityContext: CONTAINER_RIGHTS,
    volumeMounts: [secretsMount('commands'), TMP_MOUNT],
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata('commands'),
    spec: {
      replicas: 1,
      selector: { matchLabels: labelsOf('commands') },
      template: {
        metadata: { labels: labelsOf('commands') },
        spec: {
          ...podBasics(),
          // `sleep` as first process would not end at SIGTERM.
          terminationGracePeriodSeconds: 1,
          containers: [container],
          volumes: [secretVolume('commands'), TMP_VOLUME],
        },
      },
    },
  };
}

/** Roles, schemas and streams: may run again at any time. */
export function provisionJob(): IJob {
  const value = (name: string, key: string) => ({
    name,
    valueFrom: { configMapKeyRef: { name: SITE, key } },
  });
  return job('provision', {
    command: [
      ...['node', 'tools/provision/provision.ts', 'servers'],
      ...['--nats', `nats://nats:${NATS_PORT}`, '--database', '$(SITE_DATABASE_HOST)'],
      ...['--replicas', '$(SITE_STREAM_REPLICAS)'],
    ],
    env: [
      value('SITE_DATABASE_HOST', 'database-host'),
      value('SITE_STREAM_REPLICAS', 'stream-replicas'),
    ],
    volumeMounts: [secretsMount('provision'), TMP_MOUNT],
    volumes: [secretVolume('provision'), TMP_VOLUME],
  });
}

/** The empty key store, once: beside the waiting nbkms, because its volume may be bound to that node. */
export function keyStoreJob(): IJob {
  const made = job('key-store', {
    command: ['node', 'tools/provision/key-store.ts'],
    env: [{ name: 'TAPESTRY_STATE_DIR', value: STATE_DIR }],
    volumeMounts: [{ name: 'state', mountPath: STATE_DIR }, TMP_MOUNT],
    volumes: [{ name: 'state', persistentVolumeClaim: { claimName: 'state-nbkms' } }, TMP_VOLUME],
  });
  const spec = made.spec?.template.spec;
  if (spec !== undefined) {
    const labelSelector = { matchLabels: labelsOf('nbkms') };
    const near = [{ labelSelector, topologyKey: 'kubernetes.io/hostname' }];
    spec.affinity = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: near } };
  }
  return made;
}

interface JobParts {
  readonly command: string[];
  readonly env: NonNullable<IContainer['env']>;
  readonly volumeMounts: NonNullable<IContainer['volumeMounts']>;
  readonly volumes: ReturnType<typeof secretVolume>[];
}

function job(name: string, { volumes, ...parts }: JobParts): IJob {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: metadata(name),
    spec: {
      backoffLimit: 20,
      ttlSecondsAfterFinished: 3_600,
      template: {
        metadata: { labels: labelsOf(name) },
        spec: {
          ...podBasics(),
          restartPolicy: 'OnFailure',
          containers: [
            {
              name,
              image: IMAGES.tapestry,
              ...parts,
              resources: SIZE,
              securityContext: CONTAINER_RIGHTS,
            },
          ],
          volumes,
        },
      },
    },
  };
}
