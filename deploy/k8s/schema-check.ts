// Checks a manifest against the API's schema, as kubernetes-models has it: wrong types, and keys that the API does not
// know, which its validators let pass.

import type { Manifest } from './kustomize.ts';

type Validate = (manifest: object) => void;

/** What is wrong, in words; empty when nothing is. */
export async function schemaFaults(manifest: Manifest): Promise<string[]> {
  const validate = await validatorOf(manifest);
  const copy = structuredClone(manifest);
  const fault = faultOf(validate, copy);
  if (fault !== undefined) return [`${nameOf(manifest)}: ${fault}`];
  return unknownKeys(validate, copy, copy, '').map(
    (path) => `${nameOf(manifest)}: unknown ${path}`,
  );
}

export const nameOf = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.name}`;

async function validatorOf({ apiVersion, kind }: Manifest): Promise<Validate> {
  const module = (await import(
    /* @vite-ignore */ `kubernetes-models/${apiVersion}/${kind}`
  )) as Record<string, new (data: object) => { validate(): void }>;
  const Model = module[kind];
  if (Model === undefined) throw new Error(`kubernetes-models has no ${apiVersion} ${kind}`);
  return (data) => new Model(data).validate();
}

function faultOf(validate: Validate, manifest: object): string | undefined {
  try {
    validate(manifest);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** No type of the schema admits a function: where one raises no error, the validator does not look at the key. */
const NOTHING_KNOWN = (): void => undefined;

function unknownKeys(validate: Validate, root: object, node: object, path: string): string[] {
  const found: string[] = [];
  const map = node as Record<string, unknown>;
  for (const [key, value] of Object.entries(map)) {
    if (path === '' && (key === 'apiVersion' || key === 'kind')) continue;
    map[key] = NOTHING_KNOWN;
    const isKnown = faultOf(validate, root) !== undefined;
    map[key] = value;
    if (!isKnown) found.push(`${path}/${key}`);
    else if (typeof value === 'object' && value !== null) {
      found.push(...unknownKeys(validate, root, value, `${path}/${key}`));
    }
  }
  return found;
}
