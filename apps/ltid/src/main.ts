// ltid: which robot move is next; who waits for a mount?

import { runDaemon } from '@tapestry/runtime';
import { ltid } from './daemon.ts';

await runDaemon(ltid);
