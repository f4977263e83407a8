// The list of volumes: a page at a time, by what each is good for, and how many there are of each kind. With tens of
// thousands on record it is the database that filters and counts.

import type { ListVolumesRequest } from '@tapestry/contracts';
import { type Expression, type Kysely, type SqlBool, sql } from 'kysely';
import { volumeRow } from './adapters/rows.ts';
import type { EmmDb } from './adapters/schema.ts';
import type { Parts } from './parts.ts';

/** What fits a message of the bus several times over. */
const PAGE_MAX = 10_000;

export async function listVolumes(parts: Parts, request: ListVolumesRequest) {
  const { db } = parts.store;
  const limit = Math.min(request.limit || PAGE_MAX, PAGE_MAX);
  const state = stateAt(parts.nowMs());
  let page = chosen(db, request)
    .selectAll('volumes')
    .select(state.as('state'))
    .where('media_id', '>', request.afterMediaId)
    .orderBy('media_id')
    .limit(limit + 1);
  if (request.states.length > 0) page = page.where(state, 'in', [...request.states]);
  const [rows, robots, counts] = await Promise.all([
    page.execute(),
    db.selectFrom('robots').select(['number', 'type', 'control_host']).execute(),
    request.withCounts ? countStates(db, request, state) : {},
  ]);
  const byNumber = new Map(robots.map((robot) => [robot.number, robot]));
  return {
    volumes: rows.slice(0, limit).map((row) => ({
      ...volumeRow(row, byNumber.get(row.robot_number)),
      state: row.state,
    })),
    more: rows.length > limit,
    counts,
  };
}

async function countStates(
  db: Kysely<EmmDb>,
  request: ListVolumesRequest,
  state: ReturnType<typeof stateAt>,
): Promise<Record<string, number>> {
  const rows = await chosen(db, request)
    .select((eb) => [state.as('state'), eb.fn.countAll<bigint>().as('volumes')])
    .groupBy(state)
    .execute();
  return Object.fromEntries(rows.map((row) => [row.state, Number(row.volumes)]));
}

/** Everything that the request names, but for the states. */
function chosen(db: Kysely<EmmDb>, request: ListVolumesRequest) {
  return db.selectFrom('volumes').where((eb) => {
    const all: Expression<SqlBool>[] = [];
    const { mediaId, pool, volumeGroup, barcode, text } = request;
    if (mediaId !== '') all.push(eb('media_id', '=', mediaId.toUpperCase()));
    if (pool !== '') all.push(eb('pool', '=', pool));
    if (volumeGroup !== '') all.push(eb('volume_group', '=', volumeGroup));
    if (barcode !== '') all.push(eb('barcode', '=', barcode));
    if (request.assignedOnly) all.push(eb('assigned_ms', '>', 0));
    if (request.inRobot) {
      all.push(eb('robot_number', '=', request.robotNumber), eb('slot', '>', 0));
    }
    if (text !== '') {
      const part = text.toUpperCase();
      const holds = (column: 'media_id' | 'barcode') =>
        sql<SqlBool>`strpos(upper(${sql.ref(column)}), ${part}) > 0`;
      all.push(eb.or([holds('media_id'), holds('barcode')]));
    }
    return eb.and(all);
  });
}

/** What a volume is good for at that time; the bits are those of bpmedialist. */
function stateAt(nowMs: number) {
  return sql<string>`case
    when status_bits & 1 <> 0 then 'frozen'
    when status_bits & 2 <> 0 then 'suspended'
    when status_bits & 8 <> 0 then 'full'
    when expiration_ms > 0 and expiration_ms <= ${sql.lit(nowMs)} then 'expired'
    when media_type like '%\\_CLN' then 'cleaning'
    when assigned_ms > 0 then 'active'
    when pool in (select name from pools where scratch) then 'scratch'
    else 'available'
  end`;
}
