// A disk that keeps a diary of every change, and what such a disk may hold after power was lost: of the changes that no
// flush covers any subset, in any order, torn in the middle, or as garbage. Names are as uncertain as data until their
// folder is flushed.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type FileLayer, hostFiles } from '../src/file-layer.ts';

/** Names are relative to the root of the recording. */
type Change =
  | { readonly do: 'write'; readonly inode: number; readonly at: number; readonly bytes: Buffer }
  | { readonly do: 'truncate'; readonly inode: number; readonly bytes: number }
  | { readonly do: 'flush'; readonly inode: number }
  /** The host gave up what was not flushed: the next flush succeeds and proves nothing for it. */
  | { readonly do: 'failedFlush'; readonly inode: number }
  /** All of it or nothing; null takes a name away. */
  | {
      readonly do: 'name';
      readonly names: ReadonlyMap<string, number | null>;
      /** Flushing any of these makes it last. */
      readonly folders: readonly string[];
    }
  | { readonly do: 'flushNames'; readonly folder: string };

/** A fraction, at least 0 and below 1. */
export type Draw = () => number;

const FOLDER = -1;

export interface Recording {
  readonly files: FileLayer;
  /** To be called where a flush fails: what it was for may be lost from now on. */
  noteFailedFlush(fd: number): void;
  /** Changes made so far: a boundary at which power may be lost. */
  readonly length: number;
  /**
   * Fills `into` with one thing that the disk may hold when power is lost at `boundary`. `untouched`: what an earlier
   * call put there is as it was, and need not be written again.
   */
  crash(boundary: number, into: string, draw: Draw, untouched?: boolean): void;
}

/** Records what is done below `root`; what lies there already counts as flushed. */
export function recordChanges(root: string): Recording {
  const changes: Change[] = [];
  const initial = readTree(root);
  const inodes = new Map([...initial.keys()].map((path, i) => [path, i]));
  const contents = [...initial.values()];
  let nextInode = inodes.size;
  const openFiles = new Map<number, { inode: number; path: string; bytes: number }>();
  const name = (path: string): string => relative(root, path);
  const inodeOf = (path: string): number => inodes.get(name(path)) ?? FOLDER;
  const setNames = (
    names: ReadonlyMap<string, number | null>,
    ...paths: readonly string[]
  ): void => {
    for (const [path, inode] of names) {
      if (inode === null) inodes.delete(path);
      else inodes.set(path, inode);
    }
    changes.push({ do: 'name', names, folders: paths.map((path) => name(dirname(path))) });
  };
  const flushed = (fd: number): void => {
    const { inode, path } = openFiles.get(fd)!;
    if (inode === FOLDER) changes.push({ do: 'flushNames', folder: path });
    else changes.push({ do: 'flush', inode });
  };
  const sizes = new Map<number, number>(contents.map((bytes, i) => [i, bytes.length]));

  const there = new Map<string, ReadonlyMap<string, Buffer>>();

  const files: FileLayer = {
    ...hostFiles,
    create: (path, how) => {
      const fd = hostFiles.create(path, how);
      let inode = inodeOf(path);
      if (inode === FOLDER) {
        inode = nextInode++;
        sizes.set(inode, 0);
        setNames(new Map([[name(path), inode]]), path);
      } else if (how === 'replace') {
        changes.push({ do: 'truncate', inode, bytes: 0 });
        sizes.set(inode, 0);
      }
      openFiles.set(fd, { inode, path: name(path), bytes: 0 });
      return fd;
    },
    open: (path) => {
      const fd = hostFiles.open(path);
      openFiles.set(fd, { inode: inodeOf(path), path: name(path), bytes: 0 });
      return fd;
    },
    write: (fd, buffers, position) => {
      const { inode } = openFiles.get(fd)!;
      const bytes = Buffer.concat(buffers);
      const size = sizes.get(inode) ?? 0;
      const at = position ?? size;
      changes.push({ do: 'write', inode, at, bytes });
      sizes.set(inode, Math.max(size, at + bytes.length));
      return hostFiles.write(fd, buffers, position);
    },
    truncate: (fd, bytes) => {
      const { inode } = openFiles.get(fd)!;
      hostFiles.truncate(fd, bytes);
      changes.push({ do: 'truncate', inode, bytes });
      sizes.set(inode, bytes);
    },
    // The host is not made to flush: only the diary counts here.
    flush: flushed,
    sync: flushed,
    flushInBackground: (_fd, done) => setImmediate(() => done(null)),
    rename: (from, to) => {
      hostFiles.rename(from, to);
      const moved = [...inodes.keys()].filter(
        (path) => path === name(from) || path.startsWith(`${name(from)}/`),
      );
      const names = new Map<string, number | null>();
      for (const path of moved) {
        names.set(path, null);
        names.set(name(to) + path.slice(name(from).length), inodes.get(path)!);
      }
      setNames(names, from, to);
    },
    remove: (path) => {
      hostFiles.remove(path);
      const gone = [...inodes.keys()].filter(
        (each) => each === name(path) || each.startsWith(`${name(path)}/`),
      );
      for (const each of gone) setNames(new Map([[each, null]]), path, join(root, each));
    },
  };

  return {
    files,
    get length() {
      return changes.length;
    },
    noteFailedFlush: (fd) => {
      const { inode } = openFiles.get(fd)!;
      if (inode !== FOLDER) changes.push({ do: 'failedFlush', inode });
    },
    crash: (boundary, into, draw, untouched = false) => {
      const disk = new CrashedDisk(initial, contents);
      for (const change of changes.slice(0, boundary)) disk.apply(change, draw);
      disk.loseSome(draw);
      if (!untouched) there.delete(into);
      there.set(into, disk.writeTo(into, there.get(into)));
    },
  };
}

/** Inodes are numbered in the order of their paths. */
function readTree(root: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const entry of readdirSync(root, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found.set(relative(root, path), readFileSync(path));
  }
  return found;
}

type NameChange = Extract<Change, { do: 'name' }>;
type DataChange = Extract<Change, { do: 'write' | 'truncate' }>;

class CrashedDisk {
  readonly #data = new Map<number, Buffer>();
  readonly #names = new Map<string, number>();
  readonly #pendingData = new Map<number, DataChange[]>();
  #pendingNames: NameChange[] = [];

  constructor(initial: ReadonlyMap<string, Buffer>, contents: readonly Buffer[]) {
    for (const [i, path] of [...initial.keys()].entries()) {
      this.#names.set(path, i);
      this.#data.set(i, contents[i]!);
    }
  }

  apply(change: Change, draw: Draw): void {
    switch (change.do) {
      case 'write':
      case 'truncate': {
        const pending = this.#pendingData.get(change.inode) ?? [];
        pending.push(change);
        this.#pendingData.set(change.inode, pending);
        break;
      }
      case 'flush':
        for (const each of this.#pendingData.get(change.inode) ?? []) this.#makeChange(each);
        this.#pendingData.delete(change.inode);
        break;
      case 'failedFlush':
        for (const each of this.#pendingData.get(change.inode) ?? []) {
          if (draw() < 0.5) this.#makeChange(each);
        }
        this.#pendingData.delete(change.inode);
        break;
      case 'name':
        this.#pendingNames.push(change);
        break;
      case 'flushNames': {
        const rest = this.#pendingNames.filter(({ folders }) => !folders.includes(change.folder));
        for (const each of this.#pendingNames) if (!rest.includes(each)) this.#setNames(each);
        this.#pendingNames = rest;
      }
    }
  }

  /** One time in four all reaches the disk, one time in four nothing, else whatever. */
  loseSome(draw: Draw): void {
    const mood = draw();
    const survives = (): boolean => mood < 0.25 || (mood >= 0.5 && draw() < 0.5);
    for (const change of this.#pendingNames) if (survives()) this.#setNames(change);
    for (const pending of this.#pendingData.values()) {
      for (const change of pending) {
        if (survives()) this.#makeChange(change);
        else if (mood >= 0.5 && draw() < 0.7) this.#tear(change, draw);
      }
    }
  }

  /** Some sectors of a write reach the disk; the others keep what was there, are zero, or garbage. */
  #tear(change: DataChange, draw: Draw): void {
    if (change.do === 'truncate') return;
    const old = this.#data.get(change.inode) ?? Buffer.alloc(0);
    const bytes = Buffer.from(change.bytes);
    const garbage = draw() < 0.3;
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + 512 - ((change.at + at) % 512));
      if (draw() < 0.5) {
        bytes.fill(garbage ? Math.floor(draw() * 256) : 0, at, end);
        if (change.at + at < old.length) old.copy(bytes, at, change.at + at, change.at + end);
      }
      at = end;
    }
    // The size may have grown less than the write.
    const kept = draw() < 0.5 ? bytes : bytes.subarray(0, Math.floor(draw() * bytes.length));
    this.#makeChange({ ...change, bytes: kept });
  }

  #makeChange(change: DataChange): void {
    const old = this.#data.get(change.inode) ?? Buffer.alloc(0);
    const end = change.do === 'write' ? change.at + change.bytes.length : change.bytes;
    const size = change.do === 'write' ? Math.max(old.length, end) : end;
    const content = Buffer.alloc(size);
    old.copy(content, 0, 0, Math.min(old.length, size));
    if (change.do === 'write') change.bytes.copy(content, change.at);
    this.#data.set(change.inode, content);
  }

  #setNames({ names }: NameChange): void {
    for (const [path, inode] of names) {
      if (inode === null) this.#names.delete(path);
      else this.#names.set(path, inode);
    }
  }

  /** Answers what lies there now. */
  writeTo(root: string, there: ReadonlyMap<string, Buffer> = new Map()): Map<string, Buffer> {
    if (there.size === 0) {
      rmSync(root, { recursive: true, force: true });
      mkdirSync(root);
    }
    const wanted = new Map<string, Buffer>();
    for (const [path, inode] of this.#names) {
      const content = this.#data.get(inode) ?? Buffer.alloc(0);
      wanted.set(path, content);
      if (there.get(path)?.equals(content)) continue;
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
    for (const path of there.keys()) if (!wanted.has(path)) rmSync(join(root, path));
    return wanted;
  }
}
