// Writes the compose file: what all daemons share once, as anchors, and then each service.

import { Document, isMap, type YAMLMap } from 'yaml';
import {
  composeServices,
  composeVolumes,
  DAEMON_DEFAULTS,
  DAEMON_NAMES,
  HARDENED,
  type Yaml,
  type YamlMap,
} from './compose-model.ts';

const HEAD = ` Tapestry in containers: docker-compose -p tapestry up -d (compose v2: docker compose). See deploy/README.md.
 Made by deploy/generate.ts from tools/provision/services.ts and deploy/compose/compose-model.ts: change it there.

 TAPESTRY_IMAGE, NATS_IMAGE, POSTGRES_IMAGE  images to use instead
 CONSOLE_PORT                                 port of the console on this host's loopback (8080)
 TAPESTRY_LOG_LEVEL                           debug, info, warn or error`;

export function composeText(): string {
  const services = composeServices();
  const names = Object.keys(services);
  const common = sharedEntries(
    names.filter(isDaemon).map((name) => services[name]?.environment as YamlMap),
  );
  const document = new Document(
    {
      // Docker's older compose reads it as the newest format; newer ones ignore it.
      version: '3.9',
      'x-hardened': HARDENED,
      'x-daemon': DAEMON_DEFAULTS,
      'x-environment': common,
      services,
      networks: { tapestry: {} },
      volumes: Object.fromEntries(composeVolumes().map((name) => [name, {}])),
    },
    // Compose reads YAML 1.1, where `no` and `1000:1000` need quotes.
    { version: '1.1', aliasDuplicateObjects: false },
  );
  document.commentBefore = HEAD;
  for (const name of ['hardened', 'daemon', 'environment']) {
    mapAt(document, [`x-${name}`]).anchor = name;
  }
  merge(document, ['x-daemon'], 'hardened', HARDENED);
  for (const name of names) {
    if (!isDaemon(name)) {
      merge(document, ['services', name], 'hardened', HARDENED);
      continue;
    }
    merge(document, ['services', name, 'environment'], 'environment', common);
    merge(document, ['services', name], 'daemon', {});
  }
  return document.toString({ lineWidth: 0, singleQuote: false });
}

const isDaemon = (name: string): boolean => DAEMON_NAMES.has(name);

/** Entries that all maps have with the same value. */
function sharedEntries(maps: readonly YamlMap[]): Record<string, Yaml> {
  const [first = {}, ...others] = maps;
  return Object.fromEntries(
    Object.entries(first).filter(([key, value]) => others.every((map) => map[key] === value)),
  );
}

function mapAt(document: Document, path: readonly string[]): YAMLMap {
  const node = document.getIn(path, true);
  if (!isMap(node)) throw new Error(`${path.join('.')} is no map`);
  return node as YAMLMap;
}

/** Puts `<<: *name` first in the map at `path`, and takes out what it stands for. */
function merge(
  document: Document,
  path: readonly string[],
  name: string,
  entries: Readonly<Record<string, unknown>>,
): void {
  const map = mapAt(document, path);
  for (const key of Object.keys(entries)) map.delete(key);
  const source = mapAt(document, [`x-${name}`]);
  const pair = document.createPair('<<', document.createAlias(source, name));
  map.items.unshift(pair as never);
}
