import { expect, test } from 'vitest';
import { sampleHeader, sampleStream } from '../../test/media-samples.ts';
import { sampleFragment } from '../conformance/sample-fragment.ts';
import { moverFragment } from '../format/mover-fragment.ts';
import { encodeVolumeLabel } from '../format/volume-label.ts';
import { type SurveyedObject, TapeSurvey } from './tape-survey.ts';

const LABEL = encodeVolumeLabel({ mediaId: 'A00001', assignedMs: 1n, pool: 'NetBackup' });
const FRAGMENT = sampleFragment({ backupId: 'a_1', copy: 1 }, 1, 3);
const MARK: SurveyedObject = { mark: true, damage: null };
const LABELLED = [...asBlocks(LABEL), MARK];

function asBlocks(blocks: readonly Uint8Array[]): SurveyedObject[] {
  return blocks.map((payload) => ({ mark: false, payload, damage: null }));
}

/** What is unusual, with the number of its object. */
function unusual(objects: readonly SurveyedObject[]): string[] {
  const survey = new TapeSurvey();
  const seen = objects.map((object) => survey.accept(object));
  const end = survey.finish();
  const all = end === null ? seen : [...seen, end];
  return all.flatMap(({ level, text }, i) => (level === 'ok' ? [] : [`${i} ${level}: ${text}`]));
}

test('a tape as it should be is nothing unusual', () => {
  expect(unusual([])).toEqual([]);
  expect(unusual([...LABELLED, ...asBlocks(FRAGMENT), MARK, ...asBlocks(FRAGMENT), MARK])).toEqual(
    [],
  );
});

test('an unclosed tail, a missing filemark, an empty or foreign label are noted', () => {
  expect(unusual([...LABELLED, ...asBlocks(FRAGMENT.slice(0, 3))])).toEqual([
    '6 note: the tape ends within a fragment that was never closed',
  ]);
  expect(unusual([...LABELLED, ...asBlocks(FRAGMENT.slice(0, 3)), MARK])).toEqual([
    '6 note: filemark; the fragment was never closed',
  ]);
  expect(unusual([...LABELLED, ...asBlocks(FRAGMENT)])).toEqual([
    '8 note: the tape ends without a filemark',
  ]);
  expect(unusual([MARK])).toEqual(['0 note: filemark; the tape has no label']);
  const foreign = asBlocks([Buffer.from('VOL1FOREIG'.padEnd(80))]);
  expect(unusual([...foreign, MARK, ...asBlocks([Buffer.alloc(512)]), MARK])).toEqual([
    '1 note: filemark; not a label of ours: ANSI label FOREIG',
    '2 note: a block of another format, 512 bytes',
  ]);
});

test('damage is told once a tape file', () => {
  const damaged = Buffer.from(FRAGMENT[2]!);
  damaged[100] = (damaged[100] ?? 0) ^ 1;
  const [header, first, , ...rest] = FRAGMENT;
  const bad = [header!, first!, damaged, ...rest];
  expect(unusual([...LABELLED, ...asBlocks(bad), MARK, ...asBlocks(FRAGMENT), MARK])).toEqual([
    expect.stringMatching(/^5 problem: .*(damaged|checksum)/),
  ]);
  expect(unusual([...LABELLED, ...asBlocks([header!, ...rest]), MARK])).toEqual([
    expect.stringMatching(/^4 problem: .*wrong index/),
  ]);
  expect(unusual([...LABELLED, ...asBlocks([...FRAGMENT, first!]), MARK])).toEqual([
    '8 problem: a block behind the trailer',
  ]);
  const lost: SurveyedObject = { mark: false, payload: Buffer.alloc(0), damage: 'it is lost' };
  expect(unusual([...LABELLED, ...asBlocks(FRAGMENT.slice(0, 2)), lost, MARK])).toEqual([
    '5 problem: it is lost',
  ]);
});

test("a mover's fragment takes three tape files, and its records are counted", () => {
  const header = sampleHeader({ layout: 'mover', streams: [sampleStream()] });
  const { headerBlock, trailerBlock } = moverFragment(header, 0);
  const trailer = (records: bigint) =>
    trailerBlock({ endReason: 'streamEnd', closedMs: 1n, records, streamEndBytes: 2048n }).block;
  const records = [Buffer.alloc(1024, 1), Buffer.alloc(1024, 2)];
  const tape = (count: bigint, given: readonly Uint8Array[]) => [
    ...LABELLED,
    ...asBlocks([headerBlock]),
    MARK,
    ...asBlocks(given),
    MARK,
    ...asBlocks([trailer(count)]),
    MARK,
  ];
  expect(unusual(tape(2n, records))).toEqual([]);
  expect(unusual(tape(3n, records))).toEqual(['8 problem: 2 records, the trailer says 3']);
  expect(unusual(tape(2n, [records[0]!, Buffer.alloc(10)]))).toEqual([
    '6 problem: record of a mover, 10 bytes, not 1024',
  ]);
  expect(unusual(tape(2n, records).slice(0, 7))).toEqual([
    '7 note: the tape ends within a fragment that was never closed',
  ]);
});
