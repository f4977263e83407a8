// The one error that a user may see, and its form on the wire. Bugs are assertions, not StatusErrors.

import { isStatusName, STATUS, type StatusName, statusByCode } from './table.ts';

export type StatusContext = Readonly<Record<string, string | number>>;

/** The wire form: tapestry.common.v1.Status. */
export interface WireStatus {
  code: number;
  name: string;
  detail: string;
  context: Record<string, string>;
}

export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly status: StatusName;
  /** What happened and what to do, in plain words, without the code. */
  readonly detail: string;
  readonly context: StatusContext;

  constructor(
    status: StatusName,
    detail: string,
    context: StatusContext = {},
    options?: ErrorOptions,
  ) {
    super(`${STATUS[status].code} ${status}: ${detail}`, options);
    this.status = status;
    this.detail = detail;
    this.context = context;
  }

  get code(): number {
    return STATUS[this.status].code;
  }

  /** True when the same call may succeed later without anybody changing anything. */
  get retryable(): boolean {
    return STATUS[this.status].retry !== 'never';
  }
}

export function toWire(error: StatusError): WireStatus {
  const context = Object.fromEntries(
    Object.entries(error.context).map(([key, value]) => [key, String(value)]),
  );
  return { code: error.code, name: error.status, detail: error.detail, context };
}

/** A newer peer may send a name that this release has no row for: then the code decides. */
export function fromWire(wire: WireStatus): StatusError {
  const name = isStatusName(wire.name) ? wire.name : (statusByCode(wire.code) ?? 'systemError');
  const context =
    name === wire.name
      ? wire.context
      : { ...wire.context, peerCode: wire.code, peerName: wire.name };
  return new StatusError(name, wire.detail, context);
}

/** Any thrown value as a StatusError; what is not one becomes a system error that keeps its cause. */
export function asStatusError(error: unknown, fallback: StatusName = 'systemError'): StatusError {
  if (error instanceof StatusError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new StatusError(fallback, detail, {}, { cause: error });
}
