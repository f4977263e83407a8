// The part of nats-server's configuration that turns TLS on.

export interface NatsTlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Clients log in by password; the certificate is the server's alone. */
export function tlsConfig({ certFile, keyFile }: NatsTlsFiles): string {
  return `tls {
  cert_file: ${JSON.stringify(certFile)}
  key_file: ${JSON.stringify(keyFile)}
  timeout: 5
}
`;
}
