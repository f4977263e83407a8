// The primary server: a Deployment for each daemon. The singletons lead by a lease in their database schema, so a second
// pod during a rollout waits and does no harm.

import { PRIMARY_DAEMONS, type Service, serviceOf } from '@tapestry/tools/provision/services.ts';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { INamespace } from 'kubernetes-models/v1/Namespace';
import type { IPersistentVolumeClaim } from 'kubernetes-models/v1/PersistentVolumeClaim';
import type { IService } from 'kubernetes-models/v1/Service';
import {
  daemonContainer,
  labelsOf,
  metadata,
  NAMESPACE,
  podBasics,
  SITE,
  secretVolume,
  TMP_VOLUME,
} from './pod.ts';

/** What others reach by name; the rest is reached over the bus alone. */
const REACHED = ['bpdbm', 'console'] as const;
const STATE_SIZES: Readonly<Record<string, string>> = {
  bpdbm: '50Gi',
  nbkms: '100Mi',
  console: '1Gi',
};

export function namespace(): INamespace {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  };
}

export function site(): IConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadata(SITE, labelsOf('site')),
    data: { 'database-host': 'postgres', 'log-level': 'info', 'stream-replicas': '1' },
  };
}

export function primaryDeployments(): IDeployment[] {
  return PRIMARY_DAEMONS.map((daemon) => deploymentOf(serviceOf(daemon)));
}

function deploymentOf(service: Service): IDeployment {
  const { daemon, keepsState } = service;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata(daemon),
    spec: {
      replicas: 1,
      // A volume of one node cannot be in two pods at once.
      strategy: { type: keepsState ? 'Recreate' : 'RollingUpdate' },
      selector: { matchLabels: labelsOf(daemon) },
      template: {
        metadata: { labels: labelsOf(daemon) },
        spec: {
          ...podBasics(),
          containers: [daemonContainer(service)],
          volumes: [
            secretVolume(service.name),
            keepsState
              ? { name: 'state', persistentVolumeClaim: { claimName: `state-${daemon}` } }
              : { name: 'state', emptyDir: { sizeLimit: '64Mi' } },
            TMP_VOLUME,
          ],
        },
      },
    },
  };
}

export function primaryClaims(): IPersistentVolumeClaim[] {
  return PRIMARY_DAEMONS.filter((daemon) => serviceOf(daemon).keepsState).map((daemon) =>
    claim(`state-${daemon}`, STATE_SIZES[daemon] as string),
  );
}

export function claim(name: string, storage: string): IPersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: metadata(name),
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
  };
}

export function primaryServices(): IService[] {
  return REACHED.map((daemon) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(daemon),
    spec: {
      selector: labelsOf(daemon),
      ports: [{ name: 'http', port: serviceOf(daemon).port, targetPort: 'http' }],
    },
  }));
}
