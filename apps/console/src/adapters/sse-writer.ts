// One open page as the feed sees it. What it has not read yet is bounded: a page that falls behind is cut off, and
// comes back with its position when it can, so that a sleeping laptop costs a bounded number of bytes.

import type { ServerResponse } from 'node:http';
import type { Reader } from './event-hub.ts';

export const UNREAD_MAX_BYTES = 1024 * 1024;

export interface SseWriter extends Reader {
  end(): void;
}

export function openSse(
  response: ServerResponse,
  headers: Record<string, string | number | string[] | undefined>,
  onDrop: () => void,
): SseWriter {
  const clean = Object.fromEntries(
    Object.entries(headers).filter((entry) => entry[1] !== undefined),
  ) as Record<string, string | number | string[]>;
  response.writeHead(200, {
    ...clean,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  return {
    send: (text) => {
      if (response.destroyed || response.writableEnded) return;
      response.write(text);
      if (response.writableLength <= UNREAD_MAX_BYTES) return;
      onDrop();
      response.destroy();
    },
    end: () => {
      if (!response.writableEnded) response.end();
    },
  };
}
