// Goes along a tape object by object and says in words what each is, and what is wrong with labels and fragments: for
// people who look at a tape, and for checks that keep no catalog. Needs no key. Pure.

import { StatusError } from '@tapestry/status';
import { isBlock } from '../format/block.ts';
import { FragmentReader, openTrailerBlock } from '../format/fragment-reader.ts';
import type { EndReason, FragmentHeader, FragmentTrailer } from '../format/media-messages.ts';
import { decodeVolumeLabel, LABEL_RECORD_BYTES } from '../format/volume-label.ts';

/** An object of a tape. `damage`: why its bytes are not known. */
export type SurveyedObject =
  | { readonly mark: true; readonly damage: string | null }
  | { readonly mark: false; readonly payload: Uint8Array; readonly damage: string | null };

export interface Observation {
  readonly text: string;
  /** `note`: unusual, and nothing that was acknowledged is lost. */
  readonly level: 'ok' | 'note' | 'problem';
  /** Neighbours with the same kind say the same; null for what is worth a line of its own. */
  readonly kind: string | null;
}

const END_REASONS: Readonly<Record<EndReason, string>> = {
  streamEnd: 'the image ends here',
  fragmentFull: 'goes on in the next fragment',
  mediumFull: 'goes on on another volume',
  aborted: 'the job stopped, the image is not whole',
};

/** What the tape file at hand is. */
type FileState =
  | { readonly is: 'label'; readonly blocks: Uint8Array[] }
  | { readonly is: 'fresh' }
  | { readonly is: 'fragment'; readonly reader: FragmentReader; closed: boolean }
  /** `step`: how many of the three tape files of a mover's fragment were begun. */
  | { readonly is: 'mover'; readonly header: FragmentHeader; step: number; records: bigint }
  | { readonly is: 'foreign' }
  | { readonly is: 'broken' };

export class TapeSurvey {
  #state: FileState = { is: 'label', blocks: [] };
  #blocksInFile = 0;

  /** Call for every object in order. */
  accept(object: SurveyedObject): Observation {
    if (object.damage !== null) {
      this.#state = { is: 'broken' };
      return problem(object.damage);
    }
    if (object.mark) return this.#endFile();
    const observation = this.#acceptBlock(object.payload);
    this.#blocksInFile += 1;
    return observation;
  }

  /** Call behind the last object: what the tape ends in the middle of; null when it ends as it should. */
  finish(): Observation | null {
    const state = this.#state;
    const open = (state.is === 'fragment' && !state.closed) || state.is === 'mover';
    if (open) return note('the tape ends within a fragment that was never closed');
    return state.is !== 'label' && this.#blocksInFile > 0
      ? note('the tape ends without a filemark')
      : null;
  }

  #acceptBlock(block: Uint8Array): Observation {
    const state = this.#state;
    switch (state.is) {
      case 'label':
        state.blocks.push(Uint8Array.from(block.subarray(0, 1024)));
        return ok(labelText(block), state.blocks.length > 2 ? 'label' : null);
      case 'fresh':
        return this.#acceptFirst(block);
      case 'fragment':
        return this.#acceptInFragment(block, state);
      case 'mover':
        return this.#acceptOfMover(block, state);
      case 'foreign':
        return ok(`a block of another format, ${block.length} bytes`, `foreign ${block.length}`);
      case 'broken':
        return ok(`a block behind damage, ${block.length} bytes`, 'broken');
    }
  }

  #acceptFirst(block: Uint8Array): Observation {
    if (!isBlock(block)) {
      this.#state = { is: 'foreign' };
      return note(`a block of another format, ${block.length} bytes`);
    }
    try {
      const reader = new FragmentReader(block);
      const { header } = reader;
      this.#state =
        header.layout === 'mover'
          ? { is: 'mover', header, step: 1, records: 0n }
          : { is: 'fragment', reader, closed: false };
      return ok(headerText(header), null);
    } catch (error) {
      return this.#broken(error);
    }
  }

  #acceptInFragment(block: Uint8Array, state: Extract<FileState, { is: 'fragment' }>): Observation {
    if (state.closed) return this.#broken(new Error('a block behind the trailer'));
    try {
      const accepted = state.reader.accept(block);
      if (accepted.kind === 'trailer') {
        state.closed = true;
        return ok(trailerText(accepted.trailer, 'all sums agree'), null);
      }
      const { stream, streamOffset, payload, final } = accepted;
      const of = stream === 0 ? '' : ` of stream ${stream}`;
      const last = final ? ', the last' : '';
      const text = `data${of}, ${payload.length} bytes from stream byte ${streamOffset}${last}`;
      return ok(text, final ? null : `data ${stream} ${payload.length}`);
    } catch (error) {
      return this.#broken(error);
    }
  }

  /** Header and trailer have tape files of their own; what lies between is the mover's. */
  #acceptOfMover(block: Uint8Array, state: Extract<FileState, { is: 'mover' }>): Observation {
    if (state.step === 1) return this.#broken(new Error('a block behind the header of a mover'));
    if (state.step === 2) {
      state.records += 1n;
      const fits = block.length === state.header.blockSizeBytes;
      const text = `record of a mover, ${block.length} bytes`;
      return fits ? ok(text, 'record') : problem(`${text}, not ${state.header.blockSizeBytes}`);
    }
    const { records, header } = state;
    try {
      const trailer = openTrailerBlock(block);
      this.#state = { is: 'foreign' };
      const ours = Buffer.compare(trailer.segment, header.segment) === 0;
      if (!ours) return problem('the trailer of another fragment');
      if (trailer.dataBlocks === records) return ok(trailerText(trailer, 'no sums'), null);
      return problem(`${records} records, the trailer says ${trailer.dataBlocks}`);
    } catch (error) {
      return this.#broken(error);
    }
  }

  #endFile(): Observation {
    const state = this.#state;
    const empty = this.#blocksInFile === 0;
    this.#blocksInFile = 0;
    if (state.is === 'mover' && state.step < 3) {
      state.step += 1;
      return mark();
    }
    this.#state = { is: 'fresh' };
    if (state.is === 'label') return labelVerdict(state.blocks);
    if (state.is === 'mover') return note('filemark; the fragment was never closed');
    if (state.is === 'fragment' && !state.closed) {
      return note('filemark; the fragment was never closed');
    }
    return empty ? { ...mark(), kind: 'empty file' } : mark();
  }

  /** What follows in this tape file says nothing any more: one damage is told once. */
  #broken(error: unknown): Observation {
    this.#state = { is: 'broken' };
    return problem(error instanceof StatusError ? error.detail : (error as Error).message);
  }
}

function ok(text: string, kind: string | null): Observation {
  return { text, level: 'ok', kind };
}

function note(text: string): Observation {
  return { text, level: 'note', kind: null };
}

function problem(text: string): Observation {
  return { text, level: 'problem', kind: null };
}

function mark(): Observation {
  return ok('filemark', null);
}

function labelText(block: Uint8Array): string {
  const text = Buffer.from(block.subarray(0, LABEL_RECORD_BYTES)).toString('latin1');
  const name = /^(VOL1|UVL1)/.exec(text)?.[1];
  return name ? `label ${name}` : `no label, ${block.length} bytes`;
}

function labelVerdict(blocks: readonly Uint8Array[]): Observation {
  const finding = decodeVolumeLabel(blocks);
  if (finding.kind === 'blank') return note('filemark; the tape has no label');
  if (finding.kind === 'foreign') return note(`filemark; not a label of ours: ${finding.what}`);
  const { mediaId, pool, assignedMs } = finding.label;
  return ok(`filemark; volume ${mediaId}, pool ${pool}, assigned ${timeText(assignedMs)}`, null);
}

function headerText(header: FragmentHeader): string {
  const { layout, streams, blockSizeBytes } = header;
  const images = streams.map(({ image, copy, fragment, streamBeginBytes, encryption }) => {
    const sealed = encryption ? ', encrypted' : '';
    const where = `from stream byte ${streamBeginBytes}${sealed}`;
    return `${image.backupId} copy ${copy} fragment ${fragment} ${where}`;
  });
  const records = layout === 'mover' ? 'records of a mover' : 'blocks';
  return `header: ${images.join('; ')}; ${records} of ${blockSizeBytes} bytes`;
}

function trailerText(trailer: FragmentTrailer, sums: string): string {
  const { dataBlocks, endReason, streams } = trailer;
  const ends = streams.map((end) => {
    const other = end.endReason === endReason ? '' : ` (${END_REASONS[end.endReason]})`;
    return `up to stream byte ${end.streamEndBytes}${other}`;
  });
  return `trailer: ${dataBlocks} blocks ${ends.join(', ')}; ${END_REASONS[endReason]}; ${sums}`;
}

function timeText(epochMs: bigint): string {
  return new Date(Number(epochMs)).toISOString();
}
