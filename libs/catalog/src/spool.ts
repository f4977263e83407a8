// The entry `@tapestry/catalog/spool`: what a daemon needs that only records history. Loads no DuckDB.

export {
  FILE_TYPES,
  type FileType,
  type HistoryDir,
  type HistoryFile,
  type HistoryNode,
  type HistoryStat,
  type SpoolCounts,
} from './spool/entry.ts';
export { type HistoryEntry, inspectSpool, readSpool, type SpoolEnd } from './spool/reader.ts';
export { HistorySpool } from './spool/writer.ts';
