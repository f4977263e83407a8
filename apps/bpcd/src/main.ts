// bpcd: may this peer start this on this host?

import { runDaemon } from '@tapestry/runtime';
import { bpcd } from './daemon.ts';

await runDaemon(bpcd);
