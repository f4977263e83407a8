import { runDaemon } from '@tapestry/runtime';
import { bprd } from './daemon.ts';

await runDaemon(bprd);
