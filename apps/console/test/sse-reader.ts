// Reads server-sent events as a browser does, for tests.

export interface SseEvent {
  readonly event: string;
  readonly id: string;
  readonly data: unknown;
}

export interface SseReader {
  readonly events: SseEvent[];
  /** Resolves when the stream ended. */
  readonly ended: Promise<void>;
  close(): void;
}

export async function readSse(url: string, headers: Record<string, string>): Promise<SseReader> {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  if (response.status !== 200) throw new Error(`the stream answered ${response.status}`);
  const events: SseEvent[] = [];
  const ended = (async () => {
    const decoder = new TextDecoder();
    let text = '';
    try {
      const body = response.body!.getReader();
      for (let part = await body.read(); !part.done; part = await body.read()) {
        text += decoder.decode(part.value, { stream: true });
        const blocks = text.split('\n\n');
        text = blocks.pop()!;
        events.push(...blocks.map(parseBlock));
      }
    } catch {
      // Aborted by close(), or cut by the server: both are an end.
    }
  })();
  return { events, ended, close: () => abort.abort() };
}

function parseBlock(block: string): SseEvent {
  const fields = new Map(
    block.split('\n').map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
    }),
  );
  return {
    event: fields.get('event') ?? 'message',
    id: fields.get('id') ?? '',
    data: JSON.parse(fields.get('data') ?? 'null') as unknown,
  };
}
