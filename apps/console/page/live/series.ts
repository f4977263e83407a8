// Speed of the jobs that move, as samples of bytes over time: the console's own memory first, then every change.

import { addSample, type Throughput } from '../../src/core/throughput.ts';
import type { ApiSample } from '../../src/schemas.ts';
import { api, unwrap } from '../api.ts';
import { serverNowMs } from './clock.ts';
import type { Stream } from './stream.ts';

export interface Series {
  of(jobId: number): readonly ApiSample[];
  /** Replaces a series by a longer one, as a job's detail brings it. */
  adopt(jobId: number, samples: readonly ApiSample[]): void;
}

export function openSeries(stream: Stream): Series {
  const throughput: Throughput = new Map();
  const adopt = (jobId: number, samples: readonly ApiSample[]): void => {
    if (samples.length > (throughput.get(jobId)?.length ?? 0)) throughput.set(jobId, [...samples]);
  };
  const load = (): void => {
    unwrap(api.GET('/api/throughput')).then(
      ({ samples }) => {
        for (const [jobId, points] of Object.entries(samples)) adopt(Number(jobId), points);
      },
      // Sparklines then begin with what is heard from now on.
      () => undefined,
    );
  };
  stream.listen({
    change: ({ job }) => {
      if (job?.state === 'active') addSample(throughput, job, serverNowMs());
    },
    gap: load,
  });
  return { of: (jobId) => throughput.get(jobId) ?? [], adopt };
}
