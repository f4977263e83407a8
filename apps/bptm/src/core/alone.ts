import type { Fragment } from '@tapestry/contracts';

/** What a fragment says of other streams when it has its tape file alone. */
export const ALONE: Pick<Fragment, 'stream' | 'indexStepBytes' | 'indexBlocks'> = {
  stream: 0,
  indexStepBytes: 0n,
  indexBlocks: [],
};
