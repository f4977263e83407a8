// Run by effects.int.test.ts in a process of its own: commits two effects and is killed in the middle of
// the first, as a power cut between "saved" and "sent" would.

import { EffectRunner, Effects, openStore } from '../src/index.ts';
import { quietLog } from './quiet-log.ts';

const [url, schema] = process.argv.slice(2) as [string, string];
const store = await openStore<object>({
  connection: { url },
  schema,
  migrations: {},
  log: quietLog,
});
const effects = new Effects<{ say: { text: string } }>();
const runner = new EffectRunner({
  store,
  effects,
  gate: { leads: () => true, write: (fn) => store.transaction(fn) },
  handlers: { say: async () => void process.kill(process.pid, 'SIGKILL') },
});
runner.start();
await store.transaction(async (tx) => {
  for (const text of ['one', 'two']) {
    await effects.enqueue(tx, { kind: 'say', key: text, lane: 'lane', payload: { text } });
  }
});
