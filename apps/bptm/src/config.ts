import { isIP } from 'node:net';
import { plainAddress } from '@tapestry/ndmp/plain-address';
import { z } from 'zod';

const list = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .transform((parts) => parts.filter((part) => part !== '').map(plainAddress));

const hosts = list.refine(
  (parts) => parts.every((part) => isIP(part) !== 0 || /^[\w.-]+$/.test(part)),
  'names or addresses, with commas, without ports',
);
const addresses = list.refine(
  (parts) => parts.every((part) => isIP(part) !== 0),
  'addresses with commas, no names',
);

export const config = z
  .object({
    /** Names or addresses, with commas, under which filers reach this host's data ports: the first is tried first. Filers without the extension for IPv6 need an IPv4 one. */
    dataHost: hosts.default(['127.0.0.1']),
    /** Address to listen on; empty listens on all, unless `dataHost` is only the loopback. */
    bindHost: z.string().default(''),
    /** Port range that a firewall lets through; 0 lets the system choose. */
    firstPort: z.coerce.number().int().min(0).max(65_535).default(0),
    lastPort: z.coerce.number().int().min(0).max(65_535).default(0),
    /** More addresses that data connections may come from or go to: filers that answer from another interface. */
    extraPeers: addresses.default([]),
    /** How long a filer may take to connect. */
    acceptTimeoutMs: z.coerce.number().int().positive().default(300_000),
    /** How long one address of a filer that listens may take to answer: raise it where the way there is long. */
    dialTimeoutMs: z.coerce.number().int().positive().max(45_000).default(10_000),
    /** Drive processes kept ready: raise it where many streams start at once. */
    poolSize: z.coerce.number().int().min(0).max(16).default(1),
    /** Memory of one stream's ring. */
    ringBytes: z.coerce.number().int().min(1_048_576).max(134_217_728).default(33_554_432),
    /** Memory of the rings of all streams that share a drive: raise it where many fast filers do. */
    mpxRingBytes: z.coerce.number().int().min(4_194_304).max(1_073_741_824).default(67_108_864),
    mountTimeoutMs: z.coerce.number().int().positive().default(900_000),
    /** How long an image waits for another volume: raise it where somebody puts in tapes by hand. */
    nextVolumeTimeoutMs: z.coerce.number().int().positive().default(1_800_000),
    renewEveryMs: z.coerce.number().int().positive().default(20_000),
    /** How often nbemm is told how full this host's disk storage units are; a new unit serves from its first report on. */
    diskReportEveryMs: z.coerce.number().int().min(1_000).max(240_000).default(30_000),
    /** T1: a writer that could not renew for so long stops itself. Below nbrb's T2. */
    leaseT1Ms: z.coerce.number().int().positive().default(300_000),
    /** What this host says of its iSCSI targets; empty: `iscsi.json` in the state folder, where there is one. */
    iscsiFile: z.string().default(''),
    /** JSON object: scheme of a drive path → module that exports `openDrive(path, owner)`. */
    driveModules: z
      .string()
      .default('{}')
      .transform((text) => z.record(z.string(), z.string()).parse(JSON.parse(text))),
  })
  .strict();

export type Config = z.infer<typeof config>;
