// The bus: one nats-server with JetStream on a volume; the production overlay makes it three.

import { secretNameOf } from '@tapestry/tools/provision/kubernetes-secrets.ts';
import {
  NATS_CLUSTER_PORT,
  NATS_MONITOR_PORT,
  NATS_PORT,
  SECRETS_DIR,
} from '@tapestry/tools/provision/services.ts';
import type { IStatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import type { IService } from 'kubernetes-models/v1/Service';
import { IMAGES } from '../../images/images.ts';
import { CONTAINER_RIGHTS, labelsOf, metadata, podBasics, resourcesOf, TMP_VOLUME } from './pod.ts';
import { claim } from './primary.ts';

export function bus(): IStatefulSet {
  const { spec } = claim('data', '10Gi');
  const probe = (path: string) => ({ httpGet: { path, port: 'monitor' }, timeoutSeconds: 5 });
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadata('nats'),
    spec: {
      serviceName: 'nats-pods',
      replicas: 1,
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: labelsOf('nats') },
      template: {
        metadata: { labels: labelsOf('nats') },
        spec: {
          ...podBasics(),
          containers: [
            {
              name: 'nats',
              image: IMAGES.nats,
              command: ['nats-server', '--config', `${SECRETS_DIR}/nats.conf`],
              env: [
                { name: 'SERVER_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
              ],
              ports: [
                { name: 'client', containerPort: NATS_PORT },
                { name: 'cluster', containerPort: NATS_CLUSTER_PORT },
                { name: 'monitor', containerPort: NATS_MONITOR_PORT },
              ],
              startupProbe: { ...probe('/healthz'), periodSeconds: 5, failureThreshold: 60 },
              // JetStream may catch up for long: that is no reason to kill the server.
              livenessProbe: { ...probe('/healthz?js-server-only=true'), failureThreshold: 6 },
              readinessProbe: probe('/healthz?js-server-only=true'),
              resources: resourcesOf({ cpu: '100m', memory: '128Mi', memoryMax: '1Gi' }),
              securityContext: CONTAINER_RIGHTS,
              volumeMounts: [
                { name: 'secrets-nats', mountPath: SECRETS_DIR, readOnly: true },
                { name: 'data', mountPath: '/data' },
                { name: 'tmp', mountPath: '/tmp' },
              ],
            },
          ],
          volumes: [
            {
              name: 'secrets-nats',
              secret: { secretName: secretNameOf('nats'), defaultMode: 0o440 },
            },
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

export function busServices(): IService[] {
  const ports = [{ name: 'client', port: NATS_PORT, targetPort: 'client' }];
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata('nats'),
      spec: { selector: labelsOf('nats'), ports },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata('nats-pods', labelsOf('nats')),
      spec: {
        clusterIP: 'None',
        // Servers of a cluster must find each other before they can be ready.
        publishNotReadyAddresses: true,
        selector: labelsOf('nats'),
        ports: [...ports, { name: 'cluster', port: NATS_CLUSTER_PORT, targetPort: 'cluster' }],
      },
    },
  ];
}
