// bptm: where does the next block go; when does a fragment end?

import { runDaemon } from '@tapestry/runtime';
import { bptm } from './daemon.ts';

await runDaemon(bptm);
