// What a restore reads: for each selected path the images that hold it, in time order, with the entries to ask the
// filer for. A file comes from the newest image that saved it; a folder from every image of its chain, full first.

import { type FileListEntry, type PathText, pathToBytes } from '@tapestry/catalog';
import type { Init, PlanRestoreRequest, RestoreEntry, RestoreStep } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { ListedImage } from './adapters/image-query.ts';
import { findImage, resultOf } from './adapters/image-rows.ts';
import { keepForRestore } from './adapters/removal-rows.ts';
import { chainsOf, pathOf, UNKNOWN_PLACE } from './browse.ts';
import { type Chain, chainsFor, isAtOrBelow, uncovered } from './core/chains.ts';
import type { Parts } from './parts.ts';

/** More selected paths than this are one folder's worth of work: select the folder. */
const PATHS_MAX = 10_000;
/** A name list for direct access is kept short: filers seek for each entry. */
const DIRECT_MAX = 1_024;
const PLAN_BYTES_MAX = 5_000_000;
const ENTRY_BYTES = 50;

/** What one image contributes. */
interface Share {
  readonly image: ListedImage;
  readonly paths: PathText[];
}

export async function planRestore(parts: Parts, request: PlanRestoreRequest) {
  if (request.paths.length === 0 || request.paths.length > PATHS_MAX) {
    throw new StatusError('invalidParameter', `a restore names 1 to ${PATHS_MAX} paths`);
  }
  const wanted = [...new Set(request.paths.map(pathOf))];
  const chains = await chainsOf(parts, request);
  const { shares, missing } = await shareOut(parts, chains, wanted);
  const steps = await Promise.all(
    [...shares.values()]
      .sort((a, b) => (a.image.backupTimeS < b.image.backupTimeS ? -1 : 1))
      .map((share) => stepOf(parts, share)),
  );
  const real = steps.filter((step) => step !== undefined);
  if (real.length === 0) {
    const why = `no image of ${request.client} in this time holds ${wanted.slice(0, 3).join(', ')}`;
    throw new StatusError('noneMatched', why);
  }
  requireSendable(real);
  await keepImages(
    parts,
    real.map((step) => step.backupId),
  );
  return {
    steps: real,
    files: real.reduce((sum, step) => sum + step.expectedFiles, 0n),
    bytes: real.reduce((sum, step) => sum + step.expectedBytes, 0n),
    missing: missing.map((path) => pathToBytes(path)),
  };
}

/** From a plan to its job takes seconds; the job itself keeps its images then. */
const PLAN_KEEPS_MS = 60_000;

/** Error: 190 one of them has expired meanwhile. */
async function keepImages(parts: Parts, ids: readonly string[]): Promise<void> {
  const untilMs = parts.nowMs() + PLAN_KEEPS_MS;
  const lost = await parts.store.transaction((tx) => keepForRestore(tx, ids, untilMs));
  if (lost.length === 0) return;
  throw new StatusError('noneMatched', `image ${lost[0]} has expired and is being removed`);
}

/** The plan becomes part of a job, and travels in one message of at most 8 MB. */
function requireSendable(steps: readonly Init<RestoreStep>[]): void {
  const sizeBytes = steps
    .flatMap((step) => step.entries ?? [])
    .reduce((sum, entry) => sum + ENTRY_BYTES + 2 * (entry.originalPath?.length ?? 0), 0);
  if (sizeBytes > PLAN_BYTES_MAX) {
    const why =
      'so many paths do not fit into one restore: select their folders, or a part of them';
    throw new StatusError('invalidParameter', why);
  }
}

async function shareOut(
  parts: Parts,
  chains: readonly Chain<ListedImage>[],
  wanted: readonly PathText[],
) {
  const shares = new Map<string, Share>();
  const missing: PathText[] = [];
  const add = (image: ListedImage, path: PathText): void => {
    const share = shares.get(image.backupId) ?? { image, paths: [] };
    shares.set(image.backupId, share);
    share.paths.push(path);
  };
  // Paths that look for the same chains are looked up together.
  for (const [above, paths] of groupByChains(chains, wanted)) {
    let rest = paths;
    for (const chain of above) rest = await takeFrom(parts, chain, rest, add);
    for (const path of rest) {
      const { below } = chainsFor(chains, path);
      for (const chain of below) for (const image of chain) add(image, chain[0].path);
      if (below.length === 0) missing.push(path);
    }
  }
  return { shares, missing };
}

function groupByChains(chains: readonly Chain<ListedImage>[], wanted: readonly PathText[]) {
  const groups = new Map<string, [readonly Chain<ListedImage>[], PathText[]]>();
  for (const path of wanted) {
    const { above } = chainsFor(chains, path);
    const key = above.map(([full]) => full.backupId).join(' ');
    const group = groups.get(key) ?? [above, []];
    groups.set(key, group);
    group[1].push(path);
  }
  return groups.values();
}

/** Adds what this chain holds of the paths. @returns those that it does not hold */
async function takeFrom(
  parts: Parts,
  chain: Chain<ListedImage>,
  paths: readonly PathText[],
  add: (image: ListedImage, path: PathText) => void,
): Promise<PathText[]> {
  if (paths.length === 0) return [];
  const lists = chain.map((image) => image.list);
  const newest = new Map<PathText, FileListEntry>();
  for (const entry of await parts.lists.lookup(lists, paths)) {
    // Sorted by list, which is by time: the last one wins.
    if (entry.saved || entry.type === 'dir') newest.set(entry.path, entry);
  }
  const folders = new Set([...newest.values()].filter((e) => e.type === 'dir').map((e) => e.path));
  for (const path of uncovered([...newest.keys()], folders)) {
    const entry = newest.get(path)!;
    for (const image of chain) {
      if (folders.has(path) || image.backupId === entry.listId) add(image, path);
    }
  }
  const root = chain[0].path;
  // The folder that was backed up is there even when the history does not name it.
  const whole = paths.filter((path) => path === root && !newest.has(path));
  for (const path of whole) for (const image of chain) add(image, path);
  return paths.filter((path) => !newest.has(path) && path !== root);
}

type PlannedStep = Init<RestoreStep> & {
  readonly backupId: string;
  readonly expectedFiles: bigint;
  readonly expectedBytes: bigint;
};

/** Undefined: the image saved nothing of what was selected. */
async function stepOf(parts: Parts, { image, paths }: Share): Promise<PlannedStep | undefined> {
  const selection = await parts.lists.resolve(image.list, paths, { limit: 0 });
  const { roots, entries, files, bytes, direct } = selection;
  // A list without any history (HIST=N) names nothing: then only the whole image can be asked for.
  const isBlind = roots.length === 0 && paths.includes(image.path);
  if (entries === 0 && !isBlind) return undefined;
  const row = await findImage(parts.store.db, image.backupId);
  const result = resultOf(row);
  if (result === undefined) throw new StatusError('noFragments', `${image.backupId} is not valid`);
  const inside = roots.filter((root) => isAtOrBelow(root.path, image.path));
  const list = isBlind ? [folderEntry(image.path)] : inside.map(entryOf);
  const plain = inside.length > 0 && inside.every((root) => root.type !== 'dir');
  return {
    ...{ backupId: image.backupId, copy: 1, path: image.path, butype: row.butype },
    ...{ level: row.level, env: result.env, fragments: result.fragments },
    ...{ imageBytes: result.bytes, entries: list },
    directAccess: direct && plain && inside.length <= DIRECT_MAX,
    ...{ expectedFiles: BigInt(files), expectedBytes: bytes },
  };
}

function entryOf(entry: FileListEntry): Init<RestoreEntry> {
  const path = pathToBytes(entry.path);
  return {
    ...{ originalPath: path, destinationPath: path, node: entry.node },
    ...{ fhInfo: entry.fhInfo ?? UNKNOWN_PLACE, directory: entry.type === 'dir' },
    sizeBytes: entry.type === 'dir' ? 0n : entry.sizeBytes,
  };
}

function folderEntry(folder: PathText): Init<RestoreEntry> {
  const path = pathToBytes(folder);
  return {
    ...{ originalPath: path, destinationPath: path, node: 0n, fhInfo: UNKNOWN_PLACE },
    ...{ directory: true, sizeBytes: 0n },
  };
}
