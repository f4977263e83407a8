// The whole configuration of the bus in a container: where it listens, TLS, JetStream, the users, and for a cluster its
// routes.

import { tlsConfig } from '../certs/nats-tls.ts';
import { NATS_CLUSTER_PORT, NATS_MONITOR_PORT, NATS_PORT, SECRETS_DIR } from './services.ts';

export interface NatsLayout {
  /** Names and addresses in the server's certificate. */
  readonly serverNames: readonly string[];
  /** Where /healthz is served: loopback where the check runs in the container, 0.0.0.0 for kubelets. */
  readonly monitorHost: string;
  /** Host names of all servers of a cluster, or none for a single server. The server's own name is in $SERVER_NAME. */
  readonly clusterHosts: readonly string[];
}

export function natsConfig(layout: NatsLayout, accounts: string, routesPassword: string): string {
  const tls = tlsConfig({
    certFile: `${SECRETS_DIR}/nats.pem`,
    keyFile: `${SECRETS_DIR}/nats.key`,
  });
  return `listen: "0.0.0.0:${NATS_PORT}"
http: "${layout.monitorHost}:${NATS_MONITOR_PORT}"
jetstream { store_dir: "/data", max_mem: 64MB, max_file: 8GB }
${tls}${clusterPart(layout, routesPassword.trim())}${accounts}`;
}

function clusterPart({ clusterHosts }: NatsLayout, password: string): string {
  if (clusterHosts.length === 0) return '';
  const routes = clusterHosts.map(
    (host) => `"tls://routes:${password}@${host}:${NATS_CLUSTER_PORT}"`,
  );
  return `server_name: $SERVER_NAME
cluster {
  name: tapestry
  listen: "0.0.0.0:${NATS_CLUSTER_PORT}"
  authorization { user: "routes", password: ${JSON.stringify(password)}, timeout: 5 }
  tls {
    cert_file: "${SECRETS_DIR}/nats.pem"
    key_file: "${SECRETS_DIR}/nats.key"
    ca_file: "${SECRETS_DIR}/ca.pem"
    timeout: 5
  }
  routes: [${routes.join(', ')}]
}
`;
}
