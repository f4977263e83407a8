// The port for a house's own rule about who may ask for what. Configuration names a module that exports one.

/** What somebody asks for. User and host are as the command told them; `caller` is what the bus vouches for. */
export interface Asking {
  readonly kind: 'backup' | 'restore' | 'label';
  readonly caller: string;
  readonly user: string;
  readonly host: string;
  readonly policy: string;
  readonly client: string;
  /** Of a restore; empty for a backup. */
  readonly destClient: string;
  readonly paths: readonly string[];
  /** Of a label or an erasure; empty for others. */
  readonly mediaId: string;
  /** Epoch milliseconds of the question. */
  readonly atMs: number;
}

export interface Rights {
  readonly allowed: boolean;
  /** Shown to whoever was refused: say what to do. */
  readonly reason: string;
}

export interface AdmissionRule {
  /**
   * Asked once for each request, before anything is looked up. Must answer within the time given by the signal,
   * and the same for the same question: a request may come twice. What it throws counts as a refusal.
   */
  rightsOf(asking: Asking, signal: AbortSignal): Promise<Rights> | Rights;
}

/** The rule when none is configured: the bus lets only the commands and the console of a server ask at all. */
export const everybodyOnServers: AdmissionRule = {
  rightsOf: () => ({ allowed: true, reason: '' }),
};
