// Idempotent mutations: the answer to a request is stored under its key in the transaction of the change,
// so that a repeated request gets the same answer and changes nothing.

import { sql, type Transaction } from 'kysely';
import { fromJson, toJsonText } from './json-value.ts';
import { databaseNowMs } from './time.ts';

/**
 * Runs `fn` for a key seen for the first time and stores what it returns; for a repeated key returns what
 * was stored, and `fn` does not run. Two requests with one key at the same time: the second waits for the
 * first one's commit. When `fn` throws, the transaction is undone and nothing is stored. Answers are plain
 * data (JSON, bigint, Uint8Array), and are kept for 24 h (see startHousekeeping).
 * @param key the mutation's domain identity, with the method's name in front: `StartJob/17/2`
 */
export async function answerOnce<DB, R>(
  tx: Transaction<DB>,
  key: string,
  fn: () => Promise<R>,
): Promise<R> {
  const claimed = await sql`insert into answers (key, response, at_ms)
    values (${key}, 'null', ${databaseNowMs}) on conflict (key) do nothing returning key`.execute(
    tx,
  );
  if (claimed.rows.length === 0) {
    const { rows } = await sql<{ response: unknown }>`select response from answers
      where key = ${key}`.execute(tx);
    // Housekeeping may have removed it since the insert looked: then it is a first request again.
    if (rows[0] === undefined) return await answerOnce(tx, key, fn);
    return fromJson(rows[0].response) as R;
  }
  const text = toJsonText(await fn());
  await sql`update answers set response = ${text}::json where key = ${key}`.execute(tx);
  // The first answer goes the same way as a repeated one, so that both are alike to the last field.
  return fromJson(JSON.parse(text)) as R;
}
