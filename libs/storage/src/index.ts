// The public list of @tapestry/storage: the two ports and what stands behind them.

export type {
  BlockLimits,
  Capacity,
  Drive,
  DriveOwner,
  FilemarkMode,
  LoadState,
  LocateTarget,
  Position,
  ReadResult,
  SpaceResult,
  WriteBlock,
  WriteResult,
} from './drive.ts';
export type {
  ElementType,
  Library,
  LibraryElement,
  LibraryIdentity,
  MoveOptions,
} from './library.ts';
