// A media server: all its daemons in one pod, in one process space (a tape's fence asks whether its owner lives) and on
// one state volume. Another media server is another StatefulSet with secrets of its own.

import { DATA_PORTS, MEDIA_DAEMONS, serviceOf } from '@tapestry/tools/provision/services.ts';
import type { IStatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import type { IService } from 'kubernetes-models/v1/Service';
import { daemonContainer, labelsOf, metadata, podBasics, secretVolume, TMP_VOLUME } from './pod.ts';
import { claim } from './primary.ts';

const STATE_SIZE = '20Gi';
const LIBRARY_SIZE = '200Gi';

const labelsOfHost = (host: string): Record<string, string> => ({
  ...labelsOf(host),
  'app.kubernetes.io/component': 'media-server',
});

export function mediaServer(host: string): IStatefulSet {
  const services = MEDIA_DAEMONS.map((daemon) => serviceOf(daemon, host));
  const template = (name: string, size: string) => {
    const { spec } = claim(name, size);
    return { metadata: { name }, ...(spec === undefined ? {} : { spec }) };
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadata(host, labelsOfHost(host)),
    spec: {
      serviceName: host,
      replicas: 1,
      selector: { matchLabels: labelsOfHost(host) },
      template: {
        metadata: { labels: labelsOfHost(host) },
        spec: {
          ...podBasics(),
          shareProcessNamespace: true,
          containers: services.map((service) => daemonContainer(service, service.daemon)),
          volumes: [...services.map(({ name }) => secretVolume(name)), TMP_VOLUME],
        },
      },
      volumeClaimTemplates: [template('state', STATE_SIZE), template('library', LIBRARY_SIZE)],
    },
  };
}

/** Gives the pod a name; filers reach its data ports by address. */
export function mediaService(host: string): IService {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(host, labelsOfHost(host)),
    spec: {
      clusterIP: 'None',
      selector: labelsOfHost(host),
      ports: [{ name: 'data', port: DATA_PORTS.first }],
    },
  };
}
