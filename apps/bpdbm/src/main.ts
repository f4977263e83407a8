// bpdbm: which images exist, what is in them, when do they expire; which policies are there?

import { runDaemon } from '@tapestry/runtime';
import { bpdbm } from './daemon.ts';

await runDaemon(bpdbm);
