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
export { type ElementLayout, FIRST_ADDRESS } from './element-layout.ts';
export type {
  ElementType,
  Library,
  LibraryElement,
  LibraryIdentity,
  MoveOptions,
} from './library.ts';
export {
  createMemoryLibrary,
  type MemoryLibrary,
  type MemoryLibraryOptions,
} from './memory/memory-library.ts';
export type { MemoryCartridge } from './memory/memory-medium.ts';
export type { CartridgeSpec } from './virtual/cartridge-info.ts';
export { parseVirtualDrivePath, virtualDrivePath } from './virtual/library-paths.ts';
export {
  type OpenVirtualDriveOptions,
  openVirtualDrive,
  type VirtualDrive,
} from './virtual/virtual-drive.ts';
export {
  createVirtualLibrary,
  openVirtualLibrary,
  type VirtualLibrary,
  type VirtualLibraryOptions,
} from './virtual/virtual-library.ts';
