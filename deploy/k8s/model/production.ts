// What production changes: three servers for the bus, an external database, and a media server on its node's own network,
// so that filers reach its data ports by the node's address.

import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { labelsOf, metadata, NAMESPACE, SITE } from './pod.ts';
import { networkPolicies } from './policies.ts';

const BUS_SERVERS = 3;

/** To be edited: the host name of the database, as its certificate spells it. */
export function sitePatch() {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: SITE, namespace: NAMESPACE },
    data: { 'database-host': 'postgres.example.internal', 'stream-replicas': String(BUS_SERVERS) },
  };
}

export function busPatch() {
  const labelSelector = { matchLabels: labelsOf('nats') };
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'nats', namespace: NAMESPACE },
    spec: {
      replicas: BUS_SERVERS,
      template: {
        spec: {
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: 'kubernetes.io/hostname',
              whenUnsatisfiable: 'DoNotSchedule',
              labelSelector,
            },
          ],
        },
      },
    },
  };
}

export function mediaServerPatch(host: string) {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: host, namespace: NAMESPACE },
    spec: {
      template: {
        spec: {
          hostNetwork: true,
          // With the node's network, names of the cluster still resolve.
          dnsPolicy: 'ClusterFirstWithHostNet',
        },
      },
    },
  };
}

/** To be edited: the nodes' network. Pods on a node's network come from its address, which no pod selector matches. */
const NODES = { ipBlock: { cidr: '192.0.2.0/24' } };

export function networkPatches() {
  return networkPolicies()
    .filter(({ metadata }) => ['bus', 'file-lists'].includes(metadata?.name ?? ''))
    .map(({ apiVersion, kind, metadata, spec }) => ({
      ...{ apiVersion, kind },
      metadata: { name: metadata?.name, namespace: NAMESPACE },
      spec: {
        ingress: (spec?.ingress ?? []).map(({ from, ports }, i) =>
          i === 0 ? { from: [...(from ?? []), NODES], ports } : { from, ports },
        ),
      },
    }));
}

/** Pods on the node's network are outside what `restricted` and `baseline` admit. */
export function namespacePatch() {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: NAMESPACE,
      labels: {
        'pod-security.kubernetes.io/enforce': 'privileged',
        'pod-security.kubernetes.io/warn': 'restricted',
      },
    },
  };
}

export function disruptionBudgets(): IPodDisruptionBudget[] {
  return [
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: metadata('nats'),
      spec: { maxUnavailable: 1, selector: { matchLabels: labelsOf('nats') } },
    },
  ];
}
