// nbemm: which media server, drive path and volume fit, and what devices, media, pools and storage units exist?

import { runDaemon } from '@tapestry/runtime';
import { nbemm } from './daemon.ts';

await runDaemon(nbemm);
