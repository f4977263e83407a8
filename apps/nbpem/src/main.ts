import { runDaemon } from '@tapestry/runtime';
import { makeNbpem } from './daemon.ts';

await runDaemon(makeNbpem());
