// Tells waiting jobs why they wait. Apart from the rounds that give out, so that ten thousand who wait cost those nothing.

import type { Waiting } from './core/need.ts';
import { inWords, shouldTell, type Told } from './core/waiting-report.ts';
import type { Reasons } from './evaluation.ts';
import type { Parts } from './parts.ts';

const AT_ONCE = 100;

/** One step. True: there is more to tell. */
export async function tellWaiting(parts: Parts, reasons: Reasons): Promise<boolean> {
  const { queue } = parts;
  const atMs = parts.nowMs();
  const words = new Map<readonly string[], string>();
  const news: { waiting: Waiting; told: Told }[] = [];
  for (const waiting of queue.requests.rows) {
    const list = reasons(waiting);
    if (list === undefined) continue;
    const reason = words.get(list) ?? inWords(list);
    words.set(list, reason);
    if (!shouldTell(queue.told.get(waiting.key), reason, atMs)) continue;
    news.push({ waiting, told: { reason, atMs } });
    if (news.length >= AT_ONCE) break;
  }
  if (news.length === 0) return false;
  await parts.gate.write(async (tx) => {
    for (const { waiting, told } of news) {
      const attempt = waiting.request.attempt!;
      if (!(await queue.saveTold(tx, attempt, told))) continue;
      const lane = `attempt/${waiting.key}`;
      // Only the newest reason is worth telling.
      await parts.effects.supersede(tx, `${lane}/waiting/`);
      await parts.effects.enqueue(tx, {
        ...{ kind: 'waiting', key: `${lane}/waiting/${atMs}`, lane },
        payload: { attempt, reason: told.reason },
      });
    }
  });
  return news.length >= AT_ONCE;
}
