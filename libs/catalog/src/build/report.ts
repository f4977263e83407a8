// What a build process says on stdout: one JSON object a line. Byte counts travel as decimal text.

import type { WireStatus } from '@tapestry/status';
import type { BuildProgress, BuildResult } from './request.ts';

export type Report =
  | { readonly kind: 'progress'; readonly progress: BuildProgress }
  | { readonly kind: 'result'; readonly result: BuildResult; readonly peakRssBytes: number }
  | { readonly kind: 'error'; readonly error: WireStatus };

export function encodeReport(report: Report): string {
  const text = JSON.stringify(report, (_key, value) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  return `${text}\n`;
}

/** Undefined for a line that is no report, such as a warning of the runtime. */
export function decodeReport(line: string): Report | undefined {
  if (!line.startsWith('{"kind":')) return undefined;
  const report = JSON.parse(line) as Report;
  if (report.kind !== 'result') return report;
  return { ...report, result: { ...report.result, bytes: BigInt(report.result.bytes) } };
}
