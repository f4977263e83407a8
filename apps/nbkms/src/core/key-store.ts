// The content of the key store: groups and keys as plain data. It begins empty; the changes come with encryption.

export const CIPHER = 'AES_256';

export interface KeyGroupRecord {
  readonly name: string;
  readonly cipher: string;
  readonly description: string;
  readonly createdMs: number;
}

export interface KeyRecord {
  readonly group: string;
  readonly name: string;
  /** Hex: HMAC of the key, which a tape carries. */
  readonly tag: string;
  readonly state: 'prelive' | 'active' | 'inactive' | 'deprecated' | 'terminated';
  readonly createdMs: number;
  /** Base64: the key under the key protection key. */
  readonly wrapped: string;
  /** Base64: binds the public attributes to the secret. */
  readonly mac: string;
}

export interface KeyStoreDocument {
  readonly createdMs: number;
  readonly groups: readonly KeyGroupRecord[];
  readonly keys: readonly KeyRecord[];
}

export interface GroupSummary extends KeyGroupRecord {
  readonly keys: number;
}

export function emptyDocument(nowMs: number): KeyStoreDocument {
  return { createdMs: nowMs, groups: [], keys: [] };
}

/** Groups by name with the number of their keys; `name` narrows it to one. */
export function summarize(document: KeyStoreDocument, name: string): GroupSummary[] {
  return document.groups
    .filter((group) => name === '' || group.name === name)
    .map((group) => ({
      ...group,
      keys: document.keys.filter((key) => key.group === group.name).length,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A document that was authenticated may still come from a release that this one does not understand. */
export function isDocument(value: unknown): value is KeyStoreDocument {
  const document = value as Partial<KeyStoreDocument> | null;
  return (
    typeof document === 'object' &&
    document !== null &&
    typeof document.createdMs === 'number' &&
    Array.isArray(document.groups) &&
    Array.isArray(document.keys)
  );
}
