// vtl disk: makes a folder of this machine a disk storage unit, once, so that a file system that is not mounted is never
// taken for an empty unit.

import { createFileDisk } from '@tapestry/storage';
import type { VtlVerb } from '../commands/vtl.ts';
import { usage } from '../option-table.ts';

export const disk: VtlVerb = async (context, dir, words) => {
  if (words.length > 0) throw usage(`'${words[0]}' is one word too many`);
  await createFileDisk(dir);
  context.out(`${dir} can be a disk storage unit: bpstuadd -label NAME -path ${dir}\n`);
  return 0;
};
