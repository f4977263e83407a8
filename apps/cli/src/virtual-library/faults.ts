// vtl alert and fault: devices that complain or fail on order, so that an administrator can see what a site makes of it.

import { StatusError } from '@tapestry/status';
import {
  FAULT_KINDS,
  type FaultKind,
  type FaultPlace,
  openVirtualLibrary,
  type VirtualLibrary,
} from '@tapestry/storage';
import type { VtlVerb } from '../commands/vtl.ts';
import { usage } from '../option-table.ts';

/** Drives as `vtl list` counts them. */
export const alert: VtlVerb = async (context, dir, [drive, ...flags]) => {
  if (drive === undefined || flags.length === 0) throw usage('alert needs a drive and its flags');
  return inLibrary(dir, async (library) => {
    for (const flag of flags) {
      await library.raiseTapeAlert(wholeNumber(drive) - 1, wholeNumber(flag));
    }
    context.out(`drive ${drive} raises TapeAlert ${flags.join(', ')}\n`);
  });
};

export const fault: VtlVerb = async (context, dir, words, { times, after, clear }) => {
  if (clear) {
    if (words.length > 0) throw usage('-clear takes all faults back, and no words');
    return inLibrary(dir, async (library) => {
      await library.clearFaults();
      context.out('all devices are well\n');
    });
  }
  const [where, kind, ...more] = words;
  if (where === undefined || kind === undefined || more.length > 0)
    throw usage('fault needs a place (robot, drive=1, element=1024, or a barcode) and a kind');
  if (!isKind(kind)) throw usage(`'${kind}' is none of ${FAULT_KINDS.join(', ')}`);
  return inLibrary(dir, async (library) => {
    const place = placeOf(where);
    await library.addFault({
      ...{ place, kind },
      ...(times === undefined ? {} : { times }),
      ...(after === undefined ? {} : { after }),
    });
    context.out(`${where}: ${kind}${times === undefined ? '' : `, ${times} times`}\n`);
  });
};

function isKind(word: string): word is FaultKind {
  return (FAULT_KINDS as readonly string[]).includes(word);
}

function placeOf(word: string): FaultPlace {
  if (word === 'robot') return word;
  const [what, number = ''] = word.split('=');
  if (what === 'drive') return `drive ${wholeNumber(number) - 1}`;
  if (what === 'element') return `element ${wholeNumber(number)}`;
  return `cartridge ${word}`;
}

function wholeNumber(word: string): number {
  if (!/^\d{1,5}$/.test(word)) throw new StatusError('invalidParameter', `'${word}' is no number`);
  return Number(word);
}

async function inLibrary(
  dir: string,
  work: (library: VirtualLibrary) => Promise<void>,
): Promise<number> {
  const library = await openVirtualLibrary(dir);
  try {
    await work(library);
    return 0;
  } finally {
    await library.close();
  }
}
