// A real tree in which calls fail, or something happens right before they are made.

import { AttributeHelper } from '../src/adapters/attribute-helper.ts';
import { HostTree } from '../src/adapters/host-tree.ts';
import type { SourceTree } from '../src/adapters/source-tree.ts';
import type { BackupOrder } from '../src/core/data-protocol.ts';

export type FaultyCall = 'list' | 'openBelow' | 'examine' | 'openFile' | 'readLink' | 'readFile';

/** Throws what the call is to throw; `name` is empty for calls without one. */
export type Fault = (call: FaultyCall, name: string, position: number) => void;

export function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** For `makeImage`; nothing is read ahead, where calls could not fail. Names of files being read are those that were opened last under the descriptor. */
export function withFaults(fault: Fault): (order: BackupOrder) => SourceTree {
  return (order) => {
    const tree = new HostTree(order);
    const opened = new Map<number, string>();
    const listed = new Map<number, string>();
    return {
      attributes: tree.attributes,
      openTop: () => tree.openTop(),
      closeDirectory: (directory) => tree.closeDirectory(directory),
      statsOf: (directory) => tree.statsOf(directory),
      isWithin: (directory, stats) => tree.isWithin(directory, stats),
      statsOfFile: (fd) => tree.statsOfFile(fd),
      closeFile: (fd) => tree.closeFile(fd),
      list: (directory) => {
        fault('list', listed.get(directory.fd) ?? '', 0);
        return tree.list(directory);
      },
      openBelow: (parent, name) => {
        fault('openBelow', name, 0);
        const directory = tree.openBelow(parent, name);
        listed.set(directory.fd, name);
        return directory;
      },
      examine: (directory, name) => {
        fault('examine', name, 0);
        return tree.examine(directory, name);
      },
      readLink: (directory, name) => {
        fault('readLink', name, 0);
        return tree.readLink(directory, name);
      },
      openFile: (directory, name) => {
        fault('openFile', name, 0);
        const file = tree.openFile(directory, name);
        opened.set(file.fd, name);
        return file;
      },
      readFile: (fd, into, position) => {
        fault('readFile', opened.get(fd) ?? '', position);
        return tree.readFile(fd, into, position);
      },
    };
  };
}

/** A real tree, whose attribute helper reads ahead; `onAsk` hears of names, each behind its letter, right before. */
export function withAhead(
  onAsk: (names: string[], tree: HostTree) => void,
): (order: BackupOrder) => HostTree {
  return (order) => {
    const tree = new HostTree(order);
    const { ahead } = tree;
    const { askAhead } = AttributeHelper.prototype;
    ahead.askAhead = (directory, names) => {
      onAsk(names.split('\0'), tree);
      askAhead.call(ahead, directory, names);
    };
    return tree;
  };
}
