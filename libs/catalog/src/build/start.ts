// Runs a build in a child process of its own, so that its memory and its crashes are not the daemon's.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { fromWire, StatusError } from '@tapestry/status';
import { decodeReport, type Report } from './report.ts';
import type { BuildProgress, BuildRequest, BuildResult } from './request.ts';

const BUILD_MAIN = fileURLToPath(new URL('../build-main.ts', import.meta.url));
const STDERR_KEPT_CHARS = 2000;
/** Fewer arenas of the C allocator: it would keep freed memory once a thread otherwise. */
const CHILD_ENV = { MALLOC_ARENA_MAX: '2' };

export interface StartOptions {
  /** The build is killed after this long. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BuildProgress) => void;
}

export interface StartedResult extends BuildResult {
  /** Largest resident memory of the child. */
  readonly peakRssBytes: number;
}

/**
 * Builds a file list in a child process. After any failure the same call may be made again. When this process dies,
 * the child ends too.
 * Errors: those of `buildFileList`; killedBySignal (the child died), requestTimedOut, cancelled (aborted).
 */
export async function startBuild(
  request: BuildRequest,
  options: StartOptions,
): Promise<StartedResult> {
  if (options.signal?.aborted) throw new StatusError('cancelled', 'the build was aborted');
  const child = spawn(process.execPath, [BUILD_MAIN], {
    env: CHILD_ENV,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => {}); // the child ended first
  child.stdin.write(`${JSON.stringify(request)}\n`);
  let killed: StatusError | undefined;
  const kill = (reason: StatusError) => {
    killed ??= reason;
    child.kill('SIGKILL');
  };
  const timer = setTimeout(() => {
    kill(new StatusError('requestTimedOut', `the build took longer than ${options.timeoutMs} ms`));
  }, options.timeoutMs);
  const onAbort = () => kill(new StatusError('cancelled', 'the build was aborted'));
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const { last, exit, stderr } = await follow(child, options.onProgress);
    if (killed) throw killed;
    if (last?.kind === 'result') return { ...last.result, peakRssBytes: last.peakRssBytes };
    if (last?.kind === 'error') throw fromWire(last.error);
    throw new StatusError('killedBySignal', `the build process ended (${exit}): ${stderr.trim()}`);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}

/** Ends when the child has ended and its output is read. */
async function follow(
  child: ChildProcess,
  onProgress: StartOptions['onProgress'],
): Promise<{ last: Report | undefined; exit: string; stderr: string }> {
  let last: Report | undefined;
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT_CHARS);
  });
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const report = decodeReport(line);
      if (report?.kind === 'progress') onProgress?.(report.progress);
      else last = report ?? last;
    });
  }
  const exit = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  return { last, exit, stderr };
}
