// The catalog of what is in an image: history spool, build of a file list, queries over file lists.
// DuckDB (a native library of 70 MB) is loaded at the first query, never by importing this.

export { buildFileList } from './build/build.ts';
export type { BuildProgress, BuildRequest, BuildResult } from './build/request.ts';
export { type StartedResult, type StartOptions, startBuild } from './build/start.ts';
export {
  normalizePath,
  type PathText,
  pathBelowPrefix,
  pathFromBytes,
  pathToBytes,
} from './path-text.ts';
export { cursorAfter } from './query/cursor.ts';
export { FileListReader, type FileListReaderOptions } from './query/reader.ts';
export type {
  FileListEntry,
  FileListRef,
  ListOptions,
  Page,
  PageOptions,
  SearchOptions,
  Selection,
  Totals,
} from './query/types.ts';
