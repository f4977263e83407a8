// Why a target refused a login (RFC 7143, 11.13.5), in words.

import { IscsiError } from '../iscsi-error.ts';

const TEXTS: Readonly<Record<number, string>> = {
  512: 'the target calls the login wrong',
  513: 'authentication failed',
  514: 'the target does not allow this initiator',
  515: 'the target has no such name',
  516: 'the target was removed',
  517: 'the target speaks another version',
  518: 'too many connections',
  519: 'the target misses a parameter',
  520: 'the connection cannot join the session',
  521: 'the target has no sessions of this type',
  522: 'the session does not exist',
  523: 'the target calls a request of the login wrong',
  768: 'the target has an error',
  769: 'the target is not available now',
  770: 'the target is out of resources',
};

export function loginRefused(loginStatus: number): IscsiError {
  const code = `0x${loginStatus.toString(16).padStart(4, '0')}`;
  const text = TEXTS[loginStatus] ?? 'the target refused the login';
  return new IscsiError('login', `${text} (${code})`, { loginStatus });
}
