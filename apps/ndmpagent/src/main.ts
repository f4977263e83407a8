// ndmpagent: what may be said in this NDMP session state; what did the answer mean?

import { runDaemon } from '@tapestry/runtime';
import { ndmpagent } from './daemon.ts';

await runDaemon(ndmpagent);
