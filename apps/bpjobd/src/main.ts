import { runDaemon } from '@tapestry/runtime';
import { bpjobd } from './daemon.ts';

await runDaemon(bpjobd);
