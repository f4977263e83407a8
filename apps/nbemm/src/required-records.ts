// What one record requires of another, each refused with the status code that NetBackup has for its absence.

import { StatusError } from '@tapestry/status';
import type { Kysely } from 'kysely';
import type { EmmDb } from './adapters/schema.ts';

/** Error: 2101. */
export async function requireServer(tx: Kysely<EmmDb>, name: string): Promise<void> {
  const found = await tx
    .selectFrom('media_servers')
    .select('name')
    .where('name', '=', name)
    .executeTakeFirst();
  if (found === undefined) {
    throw new StatusError(
      'mediaServerMissing',
      `the media server ${name} is not known: start its bpcd, which makes it known`,
    );
  }
}

/** Error: 2108. */
export async function requireNdmpHost(tx: Kysely<EmmDb>, name: string): Promise<void> {
  const found = await tx
    .selectFrom('ndmp_hosts')
    .select('name')
    .where('name', '=', name)
    .executeTakeFirst();
  if (found === undefined) {
    const why = `the NDMP host ${name} is not configured: add it with tpconfig`;
    throw new StatusError('ndmpHostUnknown', why, { ndmpHost: name });
  }
}

/** Error: 2059. */
export async function requireRobot(tx: Kysely<EmmDb>, number: number) {
  const robot = await tx
    .selectFrom('robots')
    .selectAll()
    .where('number', '=', number)
    .executeTakeFirst();
  if (robot === undefined) throw new StatusError('robotMissing', `robot ${number} is not known`);
  return robot;
}

/** Error: 167. */
export async function requirePool(tx: Kysely<EmmDb>, name: string) {
  const found = await tx
    .selectFrom('pools')
    .selectAll()
    .where('name', '=', name)
    .executeTakeFirst();
  if (found === undefined) {
    throw new StatusError('poolMissing', `the volume pool ${name} does not exist`);
  }
  return found;
}

/** Volumes of a robot that goes stand on a shelf from now on. */
export async function emptyRobot(tx: Kysely<EmmDb>, number: number): Promise<void> {
  await tx
    .updateTable('volumes')
    .set((eb) => ({ slot: 0, robot_number: 0, version: eb('version', '+', 1n) }))
    .where('robot_number', '=', number)
    .execute();
}
