// Sockets that read straight into our memory (`onread`). For accepted sockets Node has no public way to ask for it, so
// the handle, also of one that we dialled, is put into a socket of our own; where that fails, 'data' events and a copy do
// the same work.

import net from 'node:net';

export interface ByteSink {
  /** Where the next bytes go; called before each read. Never empty. */
  buffer(): Uint8Array;
  /** That many bytes are in the buffer last given. False: read no more until `resume`. */
  filled(byteCount: number): boolean;
}

interface WithHandle {
  _handle: object | null;
}

/** A socket over the connection of one that never read, which fills the sink. It starts paused: call `resume`. */
export function readInto(accepted: net.Socket, sink: ByteSink): net.Socket {
  const handle = (accepted as unknown as WithHandle)._handle;
  if (handle === null || handle === undefined) return readByEvents(accepted, sink);
  (accepted as unknown as WithHandle)._handle = null;
  const options = {
    handle,
    onread: {
      buffer: () => sink.buffer(),
      callback: (byteCount: number) => sink.filled(byteCount),
    },
  };
  const socket = new net.Socket(options as net.SocketConstructorOpts);
  // Without its handle the first socket is an empty shell: this only takes it out of the server's count.
  accepted.destroy();
  return socket;
}

/** The fallback, and what the fast way is compared with in the tests. */
export function readByEvents(socket: net.Socket, sink: ByteSink): net.Socket {
  socket.on('data', (chunk: Buffer) => {
    let goOn = true;
    for (let at = 0; at < chunk.length; ) {
      const room = sink.buffer();
      const count = Math.min(room.length, chunk.length - at);
      room.set(chunk.subarray(at, at + count));
      at += count;
      goOn = sink.filled(count);
      if (!goOn && at < chunk.length) {
        socket.pause();
        socket.unshift(chunk.subarray(at));
        return;
      }
    }
    if (!goOn) socket.pause();
  });
  return socket;
}
