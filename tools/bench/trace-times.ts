// How long the agent took between what an NDMP server told and what it was then asked, from the recording of a session
// (`NDMPAGENT_TRACE_DIR`): lines of `epochMs mark number speaker name fields`, among others that are passed over.

interface TraceEvent {
  readonly atMs: number;
  readonly from: 'dma' | 'server';
  readonly kind: 'request' | 'reply' | 'post';
  readonly name: string;
  /** Of a request its own number, of a reply that of its request. */
  readonly number: number;
  readonly fields: string;
}

const LINE = /^(\d{13}) [!.] (\d+) (dma|server)([<>!]) (\w+)(?: to (\d+): [^=]*)?(.*)$/;
const KINDS = { '>': 'request', '<': 'reply', '!': 'post' } as const;
const FILEMARK = /operation=5\b/;

export function parseTrace(text: string): TraceEvent[] {
  return text.split('\n').flatMap((line) => {
    const [, atMs, number, from, sign, name = '', to, fields = ''] = LINE.exec(line) ?? [];
    if (atMs === undefined) return [];
    return [
      {
        ...{ atMs: Number(atMs), name, fields, number: Number(to ?? number) },
        ...{ from: from as TraceEvent['from'], kind: KINDS[sign as keyof typeof KINDS] },
      },
    ];
  });
}

export interface Span {
  /** Without what tape and robot took. */
  readonly ms: number;
  /** Of it, what passed while nothing was asked of the server: the time of bptm, ndmpagent, and the bus between them. */
  readonly ownMs: number;
}

/** From each pause of the mover to CONTINUE; between closing one volume and opening the next the robot is at work. */
export function pauseTimes(events: readonly TraceEvent[]): Span[] {
  const stopped = isPost('notifyMoverHalted');
  const found = spans(events, isPost('notifyMoverPaused'), isRequest('moverContinue'), stopped);
  return found.map((span) => {
    const closedMs = span.find(isReply('tapeClose'))?.atMs;
    const openMs = span.find(isRequest('tapeOpen'))?.atMs;
    const robotMs = closedMs === undefined || openMs === undefined ? 0 : openMs - closedMs;
    return timesOf(span, robotMs);
  });
}

/** From the last word of mover and data that they halted to the filemark behind the data. */
export function haltTimes(events: readonly TraceEvent[]): Span[] {
  const halted = (event: TraceEvent): boolean =>
    isPost('notifyMoverHalted')(event) || isPost('notifyDataHalted')(event);
  const filemark = (event: TraceEvent): boolean =>
    isRequest('tapeMtio')(event) && FILEMARK.test(event.fields);
  return spans(events, halted, filemark, halted).map((span) => timesOf(span, 0));
}

function timesOf(span: readonly TraceEvent[], robotMs: number): Span {
  const ms = span.at(-1)!.atMs - span[0]!.atMs;
  return { ms: ms - robotMs - tapeTime(span), ownMs: ms - robotMs - askingTime(span) };
}

/** Events from each `begin` to the first `end` behind it; one that meets `again` first begins anew there, or is none. */
function spans(
  events: readonly TraceEvent[],
  begin: (event: TraceEvent) => boolean,
  end: (event: TraceEvent) => boolean,
  again: (event: TraceEvent) => boolean,
): TraceEvent[][] {
  const found: TraceEvent[][] = [];
  let span: TraceEvent[] | null = null;
  for (const event of events) {
    if (span !== null && again(event)) span = null;
    if (begin(event)) span = [event];
    else span?.push(event);
    if (span === null || !end(event)) continue;
    found.push(span);
    span = null;
  }
  return found;
}

/** While at least one question is open. */
function askingTime(span: readonly TraceEvent[]): number {
  const open = new Set<number>();
  let sum = 0;
  for (const [i, { kind, number, atMs }] of span.entries()) {
    if (open.size > 0) sum += atMs - span[i - 1]!.atMs;
    if (kind === 'request') open.add(number);
    if (kind === 'reply') open.delete(number);
  }
  return sum;
}

/** What the server took for the calls of the tape in it. */
function tapeTime(span: readonly TraceEvent[]): number {
  const calls = span.filter(({ kind, name }) => kind === 'request' && name.startsWith('tape'));
  return calls.reduce((sum, { number, atMs }) => {
    const reply = span.find((event) => event.kind === 'reply' && event.number === number);
    return sum + (reply === undefined ? 0 : reply.atMs - atMs);
  }, 0);
}

function isPost(name: string): (event: TraceEvent) => boolean {
  return (event) => event.kind === 'post' && event.name === name;
}

function isRequest(name: string): (event: TraceEvent) => boolean {
  return (event) => event.kind === 'request' && event.name === name;
}

function isReply(name: string): (event: TraceEvent) => boolean {
  return (event) => event.kind === 'reply' && event.name === name;
}
