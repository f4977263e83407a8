// Who may open a connection to whom. Nobody is let in but where a rule here says so.

import {
  DATA_PORTS,
  NATS_CLUSTER_PORT,
  NATS_PORT,
  NDMP_PORT,
  POSTGRES_PORT,
  serviceOf,
} from '@tapestry/tools/provision/services.ts';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { INetworkPolicyIngressRule } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicyIngressRule';
import { labelsOf, metadata } from './pod.ts';

const OURS = { matchLabels: { 'app.kubernetes.io/part-of': 'tapestry' } };
const MEDIA_SERVERS = { matchLabels: { 'app.kubernetes.io/component': 'media-server' } };
const tcp = (port: number, endPort?: number) => ({
  protocol: 'TCP' as const,
  port,
  ...(endPort === undefined ? {} : { endPort }),
});

export function networkPolicies(): INetworkPolicy[] {
  const nats = { matchLabels: labelsOf('nats') };
  return [
    policy('nobody', {}, []),
    policy('bus', nats, [
      { from: [{ podSelector: OURS }], ports: [tcp(NATS_PORT)] },
      { from: [{ podSelector: nats }], ports: [tcp(NATS_CLUSTER_PORT)] },
    ]),
    policy('file-lists', { matchLabels: labelsOf('bpdbm') }, [
      { from: [{ podSelector: MEDIA_SERVERS }], ports: [tcp(serviceOf('bpdbm').port)] },
    ]),
    // Browsers come through an ingress controller or kubectl port-forward.
    policy('console', { matchLabels: labelsOf('console') }, [
      { ports: [tcp(serviceOf('console').port)] },
    ]),
    // bptm itself takes one connection a stream, from the filer's addresses alone. Name your filers' networks here.
    policy('filer-data', MEDIA_SERVERS, [{ ports: [tcp(DATA_PORTS.first, DATA_PORTS.last)] }]),
    policy('metrics', OURS, [
      {
        from: [
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } },
          },
        ],
      },
    ]),
  ];
}

/** For the demo overlay. */
export function demoPolicies(): INetworkPolicy[] {
  return [
    policy('database', { matchLabels: labelsOf('postgres') }, [
      { from: [{ podSelector: OURS }], ports: [tcp(POSTGRES_PORT)] },
    ]),
    policy('filer', { matchLabels: labelsOf('filer') }, [
      { from: [{ podSelector: MEDIA_SERVERS }], ports: [tcp(NDMP_PORT)] },
    ]),
  ];
}

function policy(
  name: string,
  podSelector: object,
  ingress: INetworkPolicyIngressRule[],
): INetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadata(name, labelsOf('network')),
    spec: { podSelector, policyTypes: ['Ingress'], ingress },
  };
}
