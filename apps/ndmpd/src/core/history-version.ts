// File history for sessions of v2. The data service writes the layout that v3 and v4 share; v2 has one of its own.

import { HistoryBatch, type HistoryKind, type NdmpVersion, readHistory } from '@tapestry/ndmp';

/** The body of a post in the layout of the version, from one in the layout of v4. */
export function historyBody(kind: HistoryKind, body: Buffer, version: NdmpVersion): Buffer {
  if (version !== 2) return body;
  const batch = new HistoryBatch(kind, version);
  readHistory(
    { kind, body },
    {
      file: (entry) => batch.addFile(entry),
      dir: (entry) => batch.addDir(entry),
      node: (entry) => batch.addNode(entry),
    },
  );
  return batch.take();
}
