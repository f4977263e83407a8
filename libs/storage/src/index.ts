// The public list of @tapestry/storage: the two ports and what stands behind them.

export { createFileDisk, type FileDiskOptions, openFileDisk } from './disk/file-disk.ts';
export type { WaterMarks } from './disk/water-marks.ts';
export type {
  BlockSink,
  BlockSource,
  DiskSink,
  DiskSource,
  DiskSpace,
  DiskStorage,
  ImageCopy,
  StoredFragment,
} from './disk.ts';
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
export { FAULT_KINDS, type Fault, type FaultKind, type FaultPlace } from './faults.ts';
export {
  type BlockCipher,
  type BlockType,
  DEFAULT_BLOCK_SIZE_BYTES,
  decryptBlock,
  isBlock,
  MAX_BLOCK_SIZE_BYTES,
  MIN_BLOCK_SIZE_BYTES,
  type OpenedBlock,
  openBlock,
  PAYLOAD_OFFSET,
  type Prologue,
  payloadCapacity,
  type SealedCrc,
  sealClearBlock,
  sealEncryptedBlock,
  sealMessageBlock,
} from './format/block.ts';
export { aesGcmBlockCipher } from './format/block-cipher.ts';
export { type AcceptedBlock, FragmentReader, openTrailerBlock } from './format/fragment-reader.ts';
export {
  FragmentWriter,
  type SealedBlock,
  type SealOptions,
  type TrailerOptions,
} from './format/fragment-writer.ts';
export {
  decodeFragmentHeader,
  decodeFragmentTrailer,
  type EncryptionRecord,
  type EndReason,
  type EnvVar,
  encodeFragmentHeader,
  encodeFragmentTrailer,
  FORMAT_VERSION,
  type FragmentHeader,
  type FragmentLayout,
  type FragmentTrailer,
  fragmentHeaderHash,
  type ImageRecord,
  type SparseIndex,
  type StreamEnd,
  type StreamRecord,
} from './format/media-messages.ts';
export {
  type MoverFragment,
  type MoverTrailerOptions,
  moverFragment,
} from './format/mover-fragment.ts';
export {
  blocksForBytes,
  type FragmentExtent,
  fragmentFileCount,
  locateMultiplexedByte,
  locateStreamByte,
  type MultiplexedPosition,
  type StreamPosition,
  thinIndex,
} from './format/stream-position.ts';
export {
  decodeVolumeLabel,
  encodeVolumeLabel,
  type LabelFinding,
  type VolumeLabel,
} from './format/volume-label.ts';
export type {
  ElementType,
  Library,
  LibraryElement,
  LibraryIdentity,
  MoveOptions,
} from './library.ts';
export {
  type AppendPoint,
  type ExpectedAppendPoint,
  verifyAppendPoint,
} from './media/append-point.ts';
export { checkVolumeLabel, readVolumeLabel, writeVolumeLabel } from './media/label-io.ts';
export { type Observation, type SurveyedObject, TapeSurvey } from './media/tape-survey.ts';
export { createMemoryDisk, type MemoryDiskOptions } from './memory/memory-disk.ts';
export {
  createMemoryLibrary,
  type MemoryLibrary,
  type MemoryLibraryOptions,
} from './memory/memory-library.ts';
export type { MemoryCartridge } from './memory/memory-medium.ts';
export { TAPE_ALERT } from './tape-alert.ts';
export {
  type CartridgeInfo,
  type CartridgeMemory,
  type CartridgeSpec,
  readCartridgeMemory,
} from './virtual/cartridge-info.ts';
export type { TransferProgress } from './virtual/cartridge-transfer.ts';
export { type CartridgeWalk, type WalkedObject, walkCartridge } from './virtual/cartridge-walk.ts';
export { parseVirtualDrivePath, virtualDrivePath } from './virtual/library-paths.ts';
export {
  type OpenVirtualDriveOptions,
  openVirtualDrive,
  releaseVirtualDrive,
  type VirtualDrive,
} from './virtual/virtual-drive.ts';
export {
  createVirtualLibrary,
  openVirtualLibrary,
  type VirtualLibrary,
  type VirtualLibraryOptions,
} from './virtual/virtual-library.ts';
