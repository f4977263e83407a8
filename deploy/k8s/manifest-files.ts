// The Kubernetes files: what stands in which, and the kustomizations that put them together.

import { stringify } from 'yaml';
import { MEDIA_HOST } from '../compose/compose-model.ts';
import { OVERLAY_IMAGES } from '../images/images.ts';
import { bus, busServices } from './model/bus.ts';
import { database, demoServices, filer, filerClaim } from './model/demo.ts';
import { mediaServer, mediaService } from './model/media-server.ts';
import { demoPolicies, networkPolicies } from './model/policies.ts';
import {
  namespace,
  primaryClaims,
  primaryDeployments,
  primaryServices,
  site,
} from './model/primary.ts';
import * as production from './model/production.ts';
import { commandsDeployment, keyStoreJob, provisionJob } from './model/tools.ts';

const HEAD = '# Made by deploy/generate.ts from deploy/k8s/model: change it there.\n';

export function manifestFiles(): Record<string, string> {
  const base = {
    'site.yaml': [namespace(), site()],
    'primary.yaml': [...primaryClaims(), ...primaryDeployments(), ...primaryServices()],
    'media-server.yaml': [mediaServer(MEDIA_HOST), mediaService(MEDIA_HOST)],
    'bus.yaml': [bus(), ...busServices()],
    'commands.yaml': [commandsDeployment(MEDIA_HOST)],
    'network.yaml': networkPolicies(),
  };
  const setUp = { 'jobs.yaml': [provisionJob(), keyStoreJob()] };
  const demo = {
    'database.yaml': [database(), ...demoServices()],
    'filer.yaml': [filerClaim(), filer()],
    'network.yaml': demoPolicies(),
  };
  const patches = {
    'site-patch.yaml': [production.sitePatch()],
    'bus-patch.yaml': [production.busPatch()],
    'media-server-patch.yaml': [production.mediaServerPatch(MEDIA_HOST)],
    'namespace-patch.yaml': [production.namespacePatch()],
    'network-patch.yaml': production.networkPatches(),
  };
  const images = OVERLAY_IMAGES;
  return {
    ...folder('k8s/base', base, { resources: Object.keys(base) }),
    ...folder('k8s/setup', setUp, { resources: Object.keys(setUp) }),
    ...folder('k8s/overlays/demo', demo, {
      resources: ['../../base', ...Object.keys(demo)],
      images,
    }),
    ...folder('k8s/overlays/production/setup', {}, { resources: ['../../../setup'], images }),
    ...folder(
      'k8s/overlays/production',
      { 'disruption.yaml': production.disruptionBudgets(), ...patches },
      {
        resources: ['../../base', 'disruption.yaml'],
        patches: Object.keys(patches).map((path) => ({ path })),
        images,
      },
    ),
  };
}

function folder(
  path: string,
  files: Readonly<Record<string, readonly object[]>>,
  kustomization: object,
): Record<string, string> {
  const head = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' };
  const all = { 'kustomization.yaml': [{ ...head, ...kustomization }], ...files };
  return Object.fromEntries(
    Object.entries(all).map(([name, objects]) => [`${path}/${name}`, toText(objects)]),
  );
}

function toText(objects: readonly object[]): string {
  const texts = objects.map((each) =>
    stringify(each, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false }),
  );
  return HEAD + texts.join('---\n');
}
