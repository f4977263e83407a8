// The conformance suites of the ports, for every implementation of Drive, Library and DiskStorage.

export { type DiskFactory, type DiskFixture, diskConformance } from './disk-conformance.ts';
export {
  type DriveAbilities,
  type DriveFactory,
  type DriveFixture,
  driveConformance,
  type WantedCartridge,
} from './drive-conformance.ts';
export { type LibraryAbilities, libraryConformance } from './library-conformance.ts';
export type {
  CleaningWanted,
  FaultSwitch,
  LibraryFactory,
  LibraryFixture,
} from './library-fixture.ts';
export { asWrites, SAMPLE_BLOCK_BYTES, sampleFragment } from './sample-fragment.ts';
