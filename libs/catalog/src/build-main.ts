// The child process of a build: `node build-main.ts <request.json>`. It reports JSON lines on stdout, ends when its
// stdin closes (its parent died), and holds nothing that the next build would not clean up.

import { readFile } from 'node:fs/promises';
import { asStatusError, toWire } from '@tapestry/status';
import { buildFileList } from './build/build.ts';
import { encodeReport } from './build/report.ts';
import type { BuildRequest } from './build/request.ts';

const [requestPath] = process.argv.slice(2);

process.stdin.on('end', () => process.exit(1)).resume();

async function main(): Promise<void> {
  if (!requestPath) throw new Error('usage: build-main.ts <request.json>');
  const request = JSON.parse(await readFile(requestPath, 'utf8')) as BuildRequest;
  const result = await buildFileList(request, (progress) =>
    process.stdout.write(encodeReport({ kind: 'progress', progress })),
  );
  const peakRssBytes = process.resourceUsage().maxRSS * 1024;
  process.stdout.write(encodeReport({ kind: 'result', result, peakRssBytes }));
}

main().then(
  () => process.stdin.destroy(),
  (error: unknown) => {
    process.exitCode = 1;
    process.stdout.write(encodeReport({ kind: 'error', error: toWire(asStatusError(error)) }));
    process.stdin.destroy();
  },
);
