// Which of the stored credentials is used to log in to an NDMP host from a media server: the nearest one.

interface Key {
  readonly ndmpHost: string;
  readonly mediaServer: string;
}

export interface CredentialNeed extends Key {
  /** The host was told to take the default of all hosts. */
  readonly useGlobal: boolean;
}

/**
 * One for this media server first; then, as the host was told, the default of all hosts or the host's own. A host
 * whose own is missing takes the default.
 */
export function chooseCredential<K extends Key>(
  keys: readonly K[],
  { ndmpHost, mediaServer, useGlobal }: CredentialNeed,
): K | undefined {
  const find = (host: string, server: string): K | undefined =>
    keys.find((key) => key.ndmpHost === host && key.mediaServer === server);
  const own = useGlobal ? undefined : find(ndmpHost, '');
  const near = mediaServer === '' ? undefined : find(ndmpHost, mediaServer);
  return near ?? own ?? find('', '');
}
