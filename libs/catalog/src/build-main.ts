// The child process of a build. The first line of stdin is its request; it reports JSON lines on stdout, ends when its
// stdin closes (its parent died), and holds nothing that the next build would not clean up.

import { createInterface } from 'node:readline';
import { asStatusError, toWire } from '@tapestry/status';
import { buildFileList } from './build/build.ts';
import { encodeReport } from './build/report.ts';
import type { BuildRequest } from './build/request.ts';

const input = createInterface({ input: process.stdin });
const firstLine = new Promise<string>((resolve) => input.once('line', resolve));
input.once('close', () => process.exit(1));

async function main(): Promise<void> {
  const request = JSON.parse(await firstLine) as BuildRequest;
  const result = await buildFileList(request, (progress) =>
    process.stdout.write(encodeReport({ kind: 'progress', progress })),
  );
  const peakRssBytes = process.resourceUsage().maxRSS * 1024;
  process.stdout.write(encodeReport({ kind: 'result', result, peakRssBytes }));
}

function leave(): void {
  input.removeAllListeners('close');
  process.stdin.destroy();
}

main().then(leave, (error: unknown) => {
  process.exitCode = 1;
  process.stdout.write(encodeReport({ kind: 'error', error: toWire(asStatusError(error)) }));
  leave();
});
