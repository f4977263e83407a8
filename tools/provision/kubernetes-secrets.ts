// The secrets as Kubernetes objects, one for each container, to be applied by whoever installs the system.

import type { Delivery } from './secret-store.ts';

export interface SecretObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Secret';
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: object };
  readonly type: 'Opaque';
  readonly data: Readonly<Record<string, string>>;
}

export const secretNameOf = (name: string): string => `tapestry-${name}`;

/** A List, which `kubectl apply -f -` takes. */
export function secretList(
  deliveries: Readonly<Record<string, Delivery>>,
  namespace: string,
): { apiVersion: 'v1'; kind: 'List'; items: SecretObject[] } {
  const items = Object.entries(deliveries).map(
    ([name, { files }]): SecretObject => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: secretNameOf(name),
        namespace,
        labels: { 'app.kubernetes.io/part-of': 'tapestry' },
      },
      type: 'Opaque',
      data: Object.fromEntries(
        Object.entries(files).map(([file, text]) => [file, Buffer.from(text).toString('base64')]),
      ),
    }),
  );
  return { apiVersion: 'v1', kind: 'List', items };
}
