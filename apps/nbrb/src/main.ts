// nbrb: which waiting request may be granted?

import { runDaemon } from '@tapestry/runtime';
import { nbrb } from './daemon.ts';

await runDaemon(nbrb);
