// bpbrm: which children run for this image, and what is their joint status?

import { runDaemon } from '@tapestry/runtime';
import { bpbrm } from './daemon.ts';

await runDaemon(bpbrm);
