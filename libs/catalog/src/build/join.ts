// Second half of a build, as SQL over the staged tables: DIR and NODE entries become paths, parents that no
// entry names are added, the last entry of a path wins, and the rows go out sorted into one Parquet file.
// Recursion runs over directories only; everything larger is a hash join or a sort that DuckDB spills to disk.

import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import type { PathText } from '../path-text.ts';
import { FILE_TYPES } from '../spool/entry.ts';
import type { Staged } from './staging.ts';

export const FILE_LIST_FORMAT = 1;
export const FILE_LIST_KEY = 'tapestry_file_list';
/** Where entries go whose way to the root the history does not tell. */
export const LOST_NAME = '.lost-in-history';
const ROW_GROUP_ROWS = 122_880;

/** Which of several rows for one path wins: a saved object, then a directory on the way, then a mere name. */
const RANK = { nameOnly: 0, onTheWay: 1, saved: 2 } as const;
/** Rank above, place in the history below, in one signed 64-bit sort key. */
const RANK_SHIFT = 56;

const STATS = 'mtime, mode, uid, gid, size, node, fhInfo';

export interface JoinFindings {
  /** Directories without a way to the root. */
  readonly orphans: number;
  /** Nodes that no directory entry names. */
  readonly strays: number;
}

/** Makes the tables that `writeFileList` reads. Uses the connection's variables `base` and `prefix`. */
export async function joinHistory(
  connection: DuckDBConnection,
  staged: Staged,
  prefix: PathText,
): Promise<JoinFindings> {
  const run = (sql: string, params: Record<string, DuckDBValue> = {}) =>
    connection.run(sql, params);
  await run('SET VARIABLE prefix = $prefix', { prefix });
  await run('SET VARIABLE base = $base', { base: prefix === '/' ? '' : prefix });
  await run('SET VARIABLE files_path = $path', { path: staged.filesPath });
  await run('SET VARIABLE dirs_path = $path', { path: staged.dirsPath });
  await run('SET VARIABLE nodes_path = $path', { path: staged.nodesPath });
  for (const name of ['files', 'dirs', 'nodes']) {
    await run(`CREATE VIEW ${name} AS SELECT *, file_row_number AS seq
      FROM read_parquet(getvariable('${name}_path'), file_row_number = true)`);
  }
  await run(`CREATE MACRO dir_of(path) AS regexp_replace(path, '/[^/]*$', '')`);
  await run(`CREATE MACRO name_of(path) AS regexp_extract(path, '[^/]*$')`);
  const findings = await joinDirectories(connection, staged);
  await collectParents(connection, staged);
  return findings;
}

/** `tree`: for each directory node its path relative to the root; `strays`: nodes without a name. */
async function joinDirectories(
  connection: DuckDBConnection,
  staged: Staged,
): Promise<JoinFindings> {
  const run = (sql: string) => connection.run(sql);
  await run('CREATE TABLE parents AS SELECT DISTINCT parent AS node FROM dirs');
  const root = staged.rootNode ?? (await guessRoot(connection));
  await run(`SET VARIABLE root = ${root ?? 'NULL'}::UBIGINT`);
  // A node that was reused for another directory keeps its last name.
  await run(`CREATE TABLE links AS
    SELECT node, max_by(parent, seq) AS parent, max_by(sub || '/' || name, seq) AS tail
    FROM dirs SEMI JOIN parents USING (node)
    WHERE node IS DISTINCT FROM getvariable('root') AND node <> parent GROUP BY node`);
  await run(`CREATE TABLE tree (node UBIGINT, path VARCHAR)`);
  await growTree(
    connection,
    `SELECT getvariable('root') AS node, '' AS path
    WHERE getvariable('root') IS NOT NULL`,
  );
  // What is left hangs below a node without a name, or in a ring; each gets a place, so that nothing is lost.
  const lost = `'/${LOST_NAME}/' || node`;
  await growTree(
    connection,
    `SELECT node, ${lost} AS path FROM parents
    ANTI JOIN tree USING (node) ANTI JOIN links USING (node)`,
  );
  await run(`INSERT INTO tree SELECT node, ${lost} FROM parents ANTI JOIN tree USING (node)`);
  await run(`CREATE TABLE strays AS SELECT * FROM nodes ANTI JOIN dirs ON dirs.node = nodes.node
    WHERE node IS DISTINCT FROM getvariable('root')`);
  return {
    orphans: await countOf(connection, `tree WHERE path LIKE '/${LOST_NAME}/%'`),
    strays: await countOf(connection, 'strays'),
  };
}

/** Adds all directories below `start` to `tree`. A node has one link, so this ends even on rings. */
async function growTree(connection: DuckDBConnection, start: string): Promise<void> {
  await connection.run(`INSERT INTO tree
    WITH RECURSIVE below AS (
      ${start}
      UNION ALL
      SELECT links.node, below.path || links.tail FROM below JOIN links ON links.parent = below.node
    ) SELECT node, path FROM below`);
}

/** No `.` named the root: it is the directory that nobody holds, the first one if there are several. */
async function guessRoot(connection: DuckDBConnection): Promise<bigint | undefined> {
  const reader = await connection.runAndReadAll(`SELECT parent FROM dirs
    ANTI JOIN (SELECT node FROM dirs WHERE node <> parent) held ON held.node = dirs.parent
    ORDER BY seq LIMIT 1`);
  return reader.getRows()[0]?.[0] as bigint | undefined;
}

/** `parents_of_rows`: every directory that holds a row, its ordinal in path order and its own parent's. */
async function collectParents(connection: DuckDBConnection, staged: Staged): Promise<void> {
  const run = (sql: string) => connection.run(sql);
  await run(`CREATE VIEW file_places AS ${filePlaces(staged)}`);
  // In `dir_key` the directory '/' is the empty text, so that key || '/' || name is the path of every child.
  await run(`CREATE TABLE directories AS
    WITH RECURSIVE up AS (
      SELECT dir_key FROM (
        SELECT DISTINCT getvariable('base') || dir AS dir_key FROM file_places
        UNION SELECT getvariable('base') || path FROM tree
        UNION SELECT getvariable('base') || tree.path || dirs.sub FROM dirs
          JOIN tree ON tree.node = dirs.parent WHERE dirs.sub <> ''
        UNION SELECT getvariable('base') || '/${LOST_NAME}' FROM strays
        UNION SELECT ''
        UNION SELECT dir_of(getvariable('base'))
      )
      UNION SELECT dir_of(dir_key) FROM up WHERE dir_key <> ''
    )
    SELECT dir_key, (row_number() OVER (ORDER BY dir_key) - 1)::UINTEGER AS id FROM up`);
}

/** Some servers put FILESYSTEM in front of every path; it is taken off again. */
function filePlaces(staged: Staged): string {
  if (!staged.pathsCarryPrefix) return 'SELECT * FROM files';
  const prefix = `getvariable('prefix')`;
  return `SELECT * REPLACE (substr(dir, length(${prefix}) + 1) AS dir,
    CASE WHEN dir || '/' || name = ${prefix} THEN '' ELSE name END AS name) FROM files`;
}

/** All rows, with duplicates, before the sort. */
function allRows(): string {
  const rank = (name: keyof typeof RANK) => `(${RANK[name]}::BIGINT << ${RANK_SHIFT})`;
  const base = `getvariable('base')`;
  return `
    SELECT CASE WHEN name = '' THEN dir_of(${base}) ELSE ${base} || dir END AS dir_key,
      CASE WHEN name = '' THEN name_of(${base}) ELSE name END AS name,
      type, ${STATS}, true AS saved, ${rank('saved')} + seq AS major, 0::BIGINT AS minor
    FROM file_places
    UNION ALL
    SELECT ${base} || tree.path || dirs.sub, dirs.name, nodes.type,
      nodes.mtime, nodes.mode, nodes.uid, nodes.gid, nodes.size, dirs.node, nodes.fhInfo,
      nodes.node IS NOT NULL,
      CASE WHEN nodes.node IS NULL THEN ${rank('nameOnly')} ELSE ${rank('saved')} END + dirs.seq,
      nodes.seq
    FROM dirs JOIN tree ON tree.node = dirs.parent LEFT JOIN nodes ON nodes.node = dirs.node
    UNION ALL
    SELECT dir_of(${base}), name_of(${base}), type, ${STATS}, true, ${rank('saved')} + seq, 0
    FROM nodes WHERE node = getvariable('root')
    UNION ALL
    SELECT ${base} || '/${LOST_NAME}', node::VARCHAR, type, ${STATS}, true, ${rank('saved')} + seq, 0
    FROM strays
    UNION ALL
    SELECT dir_of(dir_key), name_of(dir_key), ${FILE_TYPES.indexOf('dir')}, NULL, NULL, NULL, NULL,
      0::UBIGINT, 0::UBIGINT, NULL, false, ${rank('onTheWay')}, 0
    FROM directories`;
}

/** Writes the joined rows to `path`, which must not exist. The same tables give the same bytes. */
export async function writeFileList(
  connection: DuckDBConnection,
  path: string,
  about: { prefix: PathText; pathsCarryPrefix: boolean },
): Promise<void> {
  const types = FILE_TYPES.map((type) => `'${type}'`).join(', ');
  const facts = JSON.stringify({ format: FILE_LIST_FORMAT, ...about });
  // The root's own row has no parent; its name is empty.
  await connection.run(`COPY (
    SELECT path, parent, right(path, name_length) AS name,
      ([${types}])[coalesce(type, ${FILE_TYPES.length - 1}) + 1] AS type,
      coalesce(size, 0)::UBIGINT AS size,
      nullif(mtime, 4294967295)::UINTEGER AS mtime, nullif(mode, 4294967295)::UINTEGER AS mode,
      nullif(uid, 4294967295)::UINTEGER AS uid, nullif(gid, 4294967295)::UINTEGER AS gid,
      node::UBIGINT AS node, nullif(fhInfo, 18446744073709551615)::UBIGINT AS fh_info, saved
    FROM (
      SELECT *, lag(path) OVER () AS before FROM (
        SELECT rows.dir_key || '/' || rows.name AS path, length(rows.name) AS name_length,
          CASE WHEN rows.name = '' THEN NULL ELSE directories.id END AS parent,
          type, ${STATS}, saved, major, minor
        FROM (${allRows()}) rows JOIN directories ON directories.dir_key = rows.dir_key
        ORDER BY path, major DESC, minor DESC NULLS LAST
      )
    ) WHERE path IS DISTINCT FROM before
  ) TO '${quoted(path)}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP_ROWS},
    KV_METADATA {${FILE_LIST_KEY}: '${quoted(facts)}'})`);
}

/** COPY takes no parameters for its target and options; these texts are ours, never a peer's SQL. */
function quoted(text: string): string {
  return text.replaceAll("'", "''");
}

async function countOf(connection: DuckDBConnection, what: string): Promise<number> {
  const reader = await connection.runAndReadAll(`SELECT count(*) FROM ${what}`);
  return Number(reader.getRows()[0]?.[0]);
}
