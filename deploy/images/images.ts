// Names of the images: ours, the public ones that stand beside it, and what takes their place where none can be pulled.

export const IMAGES = {
  tapestry: 'tapestry:0.1.0',
  nats: 'nats:2.12-alpine',
  postgres: 'postgres:18-bookworm',
} as const;

export const OFFLINE_IMAGES = {
  node: 'tapestry-node:24',
  nats: 'tapestry-nats:2',
  postgres: 'tapestry-postgres:18',
} as const;

/** For production: the registry that a cluster pulls our image from is the site's to name. */
export const OVERLAY_IMAGES = [
  { name: 'tapestry', newName: 'registry.example.internal/tapestry', newTag: '0.1.0' },
];
