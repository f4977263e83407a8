// Refused for good: no change of use could cure it. Thrown inside the selection only, which turns it into a value.

import type { StatusName } from '@tapestry/status';

export class Refusal extends Error {
  readonly status: StatusName;
  constructor(status: StatusName, detail: string) {
    super(detail);
    this.status = status;
  }
}
