// The API in one place: zod schemas from which fastify validates and serializes, OpenAPI is written, and the
// page's client gets its types. Times are epoch milliseconds, null while there is none; sizes are bytes.

import { z } from 'zod';
import {
  devicesSchema,
  diskUnitSchema,
  driveSchema,
  elementSchema,
  libraryShapeSchema,
  pendingSchema,
  robotSchema,
  unknownSchema,
  volumePageSchema,
  volumeSchema,
  waitingSchema,
} from './device-schemas.ts';

const JOB_STATES = ['queued', 'active', 'requeued', 'done', 'suspended', 'incomplete'] as const;

/** What a person tells apart at a glance: the state, and for a finished job how it ended. */
export const JOB_TYPES = ['backup', 'restore', 'label', 'erase', 'cleanup'] as const;

export const OUTCOMES = [
  'queued',
  'active',
  'requeued',
  'successful',
  'partial',
  'failed',
  'suspended',
  'incomplete',
] as const;

const time = z.int().nullable();

export const jobSchema = z.object({
  jobId: z.int(),
  type: z.enum(JOB_TYPES),
  state: z.enum(JOB_STATES),
  outcome: z.enum(OUTCOMES),
  /** Null until a try has ended. */
  status: z.int().nullable(),
  statusText: z.string(),
  policy: z.string(),
  policyType: z.string(),
  schedule: z.string(),
  scheduleType: z.enum(['full', 'incremental', 'cumulative']),
  client: z.string(),
  destClient: z.string(),
  path: z.string(),
  owner: z.string(),
  priority: z.int(),
  mediaServer: z.string(),
  storageUnit: z.string(),
  mediaId: z.string(),
  drive: z.string(),
  backupId: z.string(),
  submittedMs: time,
  startedMs: time,
  endedMs: time,
  retryAtMs: time,
  try: z.int(),
  step: z.int(),
  steps: z.int(),
  flowStep: z.int(),
  operation: z.string(),
  bytes: z.int(),
  bytesExpected: z.int(),
  files: z.int(),
  /** Why it waits, in the broker's or scheduler's words. */
  reason: z.string(),
  cancelling: z.boolean(),
});

export const trySchema = z.object({
  try: z.int(),
  startedMs: time,
  endedMs: time,
  status: z.int(),
  statusText: z.string(),
  mediaServer: z.string(),
  storageUnit: z.string(),
  mediaId: z.string(),
  drive: z.string(),
  bytes: z.int(),
  files: z.int(),
});

export const lineSchema = z.object({
  jobId: z.int(),
  number: z.int(),
  try: z.int(),
  atMs: z.int(),
  producer: z.string(),
  severity: z.string(),
  text: z.string(),
});

export const countsSchema = z.object({
  queued: z.int(),
  active: z.int(),
  requeued: z.int(),
  successful: z.int(),
  partial: z.int(),
  failed: z.int(),
  suspended: z.int(),
  incomplete: z.int(),
  total: z.int(),
});

/** Bytes moved until then. */
const sampleSchema = z.object({ atMs: z.int(), bytes: z.int() });

export const jobPageSchema = z.object({
  jobs: z.array(jobSchema),
  /** Pass as `before` for the next page; null at the end. */
  next: z.int().nullable(),
  /** Where the event stream must resume so that nothing is missed after these rows. */
  cursor: z.string(),
  counts: countsSchema,
});

export const jobDetailSchema = z.object({
  job: jobSchema,
  tries: z.array(trySchema),
  lines: z.array(lineSchema),
  samples: z.array(sampleSchema),
  cursor: z.string(),
  /** The command that cancels this job. */
  cancelCommand: z.string(),
});

export const throughputSchema = z.object({ samples: z.record(z.string(), z.array(sampleSchema)) });

export const daemonSchema = z.object({
  key: z.string(),
  service: z.string(),
  host: z.string(),
  pid: z.int(),
  /** up: ready. notReady: it says why. silent: no heartbeat for a while. */
  state: z.enum(['up', 'notReady', 'silent']),
  reason: z.string(),
  leader: z.boolean(),
  version: z.string(),
  startedMs: z.int(),
  heardMs: z.int(),
  rssBytes: z.int(),
});

export const daemonsSchema = z.object({ daemons: z.array(daemonSchema) });

export const overviewSchema = z.object({
  counts: countsSchema,
  /** Newest failures of the last day, at most twenty. */
  failures: z.array(jobSchema),
  daemonsUp: z.int(),
  daemonsTotal: z.int(),
});

export const sessionSchema = z.object({ user: z.string(), expiresMs: z.int() });

export const errorSchema = z.object({
  /** NetBackup's status code; 0 for what has none. */
  code: z.int(),
  name: z.string(),
  /** What the code means, and what happened here. */
  text: z.string(),
  detail: z.string(),
});

export const doneSchema = z.object({ done: z.boolean() });

export const loginBodySchema = z.object({
  user: z.string().min(1).max(128),
  password: z.string().min(1).max(1024),
});

export const jobParamsSchema = z.object({ jobId: z.int().min(1) });

export const jobQuerySchema = z.object({
  before: z.int().min(1).optional(),
  limit: z.int().min(1).max(500).default(200),
  outcome: z.array(z.enum(OUTCOMES)).optional(),
  type: z.enum(JOB_TYPES).optional(),
  policy: z.string().max(256).optional(),
  client: z.string().max(256).optional(),
  status: z.int().min(0).optional(),
  since: z.int().min(0).optional(),
  text: z.string().max(256).optional(),
  /** These jobs and no others; the rest of the query is ignored. */
  ids: z.array(z.int().min(1)).max(500).optional(),
});

export const eventsQuerySchema = z.object({ after: z.string().max(64).optional() });

/** Named schemas: each becomes a component of the OpenAPI document. */
const NAMED = {
  Job: jobSchema,
  Try: trySchema,
  Line: lineSchema,
  Counts: countsSchema,
  JobPage: jobPageSchema,
  JobDetail: jobDetailSchema,
  Throughput: throughputSchema,
  Daemon: daemonSchema,
  Daemons: daemonsSchema,
  Overview: overviewSchema,
  Robot: robotSchema,
  Drive: driveSchema,
  DiskUnit: diskUnitSchema,
  Waiting: waitingSchema,
  Pending: pendingSchema,
  Unknown: unknownSchema,
  Devices: devicesSchema,
  Element: elementSchema,
  LibraryShape: libraryShapeSchema,
  Volume: volumeSchema,
  VolumePage: volumePageSchema,
  Session: sessionSchema,
  Problem: errorSchema,
  Done: doneSchema,
} as const;

export type SchemaName = keyof typeof NAMED;

/** The named schemas as JSON Schema with references to one another: `Job#`. */
export function namedJsonSchemas(): object[] {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { target: 'draft-7', uri: (id) => `${id}#` });
  return Object.entries(schemas).map(([id, schema]) => ({ ...plain(schema), $id: id }));
}

/** JSON Schema of what a client sends: defaults may be left out. */
export function inputJsonSchema(schema: z.ZodType): object {
  return plain(z.toJSONSchema(schema, { target: 'draft-7', io: 'input' }));
}

export const ref = (name: SchemaName): object => ({ $ref: `${name}#` });

function plain(schema: object): object {
  const { $schema: _dialect, ...rest } = schema as { $schema?: string };
  return rest;
}

export type ApiJob = z.infer<typeof jobSchema>;
export type ApiTry = z.infer<typeof trySchema>;
export type ApiLine = z.infer<typeof lineSchema>;
export type ApiCounts = z.infer<typeof countsSchema>;
export type ApiDaemon = z.infer<typeof daemonSchema>;
export type ApiSample = z.infer<typeof sampleSchema>;
export type JobQuery = z.infer<typeof jobQuerySchema>;
export type Outcome = ApiJob['outcome'];
