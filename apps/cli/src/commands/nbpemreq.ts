// nbpemreq: what becomes due.

import { command, requireSome } from '../command.ts';
import { formatDateTime } from '../date-time.ts';
import { usage } from '../option-table.ts';
import { table } from '../render/table.ts';

const DAY_MS = 86_400_000;

export const nbpemreq = command({
  purpose: 'list the backups that become due',
  synopsis: ['-due [-date DATE] [-policy_filter POLICY] [-client_filter HOST]'],
  options: {
    due: { kind: 'flag', help: 'list them' },
    date: { kind: 'date', help: 'until then (a day from now)' },
    policy_filter: { kind: 'word', value: 'POLICY', help: 'of this policy' },
    client_filter: { kind: 'word', value: 'HOST', help: 'of this client' },
  },
  example: 'nbpemreq -due -date 12/24/2025 18:00:00',
  async run({ options }, context) {
    if (!options.due) throw usage('-due');
    const untilMs = options.date === undefined ? context.nowMs() + DAY_MS : options.date * 1000;
    const { tasks } = await (await context.client('nbpem')).ListDue({
      untilMs: BigInt(untilMs),
      ...{ policy: options.policy_filter, client: options.client_filter },
    });
    requireSome(tasks, 'nothing becomes due until then');
    context.out(
      table(
        ['due', 'policy', 'schedule', 'client', 'path', 'reason'].map((title) => ({ title })),
        tasks.map((task) => [
          formatDateTime(task.dueMs / 1000n),
          ...[task.policy, task.schedule, task.client, task.path, task.reason],
        ]),
      ),
    );
    return 0;
  },
});
