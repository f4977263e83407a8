import { runDaemon } from '@tapestry/runtime';
import { nbjm } from './daemon.ts';

await runDaemon(nbjm);
