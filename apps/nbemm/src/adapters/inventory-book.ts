// The inventory in memory, which selections look at: read once, then only what the list of changes names. Promises that
// what it answers with includes every change that was committed before it was asked.

import type { Kysely } from 'kysely';
import type { DiskFact } from '../core/disk-choice.ts';
import type { Inventory } from '../core/inventory.ts';
import { VolumeIndex } from '../core/volume-index.ts';
import { driveFacts, loadDrives } from './drive-rows.ts';
import { storageUnit, volumeFact } from './rows.ts';
import type { EmmDb } from './schema.ts';

type Records = Omit<Inventory, 'volumes' | 'disks'>;

/** What a change named so leaves as it was, beyond what its pattern says. */
const ONE_VOLUME = /^volume (\S+)$/;
const NO_VOLUME =
  /^(drive|pool|setting|storage unit|storage unit group|media server|NDMP host|barcode rule) /;
/** With more changes than this, reading everything is quicker. */
const CHANGES_AT_ONCE = 1_000;

export class InventoryBook {
  readonly #db: Kysely<EmmDb>;
  readonly #blockSizeBytes: number;
  #volumes = new VolumeIndex();
  /** Told again and again by media servers, so memory is enough. */
  readonly #disks = new Map<string, DiskFact>();
  #records: Records | undefined;
  #sequence = 0n;
  #reading: Promise<Inventory> | undefined;
  #next: Promise<Inventory> | undefined;

  constructor(db: Kysely<EmmDb>, blockSizeBytes: number) {
    this.#db = db;
    this.#blockSizeBytes = blockSizeBytes;
  }

  /** The inventory as it stands. Whoever asks while a reading runs shares the one that follows. */
  async read(): Promise<Inventory> {
    if (this.#reading === undefined) return await this.#start();
    this.#next ??= this.#reading
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#start();
      });
    return await this.#next;
  }

  /** A media server told how full the folder of a disk storage unit is. */
  noteDisk(label: string, disk: DiskFact): void {
    this.#disks.set(label, disk);
  }

  /** What was told so, by storage unit. */
  get disks(): ReadonlyMap<string, DiskFact> {
    return this.#disks;
  }

  async #start(): Promise<Inventory> {
    this.#reading = this.#refresh().finally(() => {
      this.#reading = undefined;
    });
    return await this.#reading;
  }

  async #refresh(): Promise<Inventory> {
    const changes = await this.#db
      .selectFrom('changes')
      .select(['sequence', 'what'])
      .where('sequence', '>', this.#sequence)
      .orderBy('sequence')
      .limit(CHANGES_AT_ONCE)
      .execute();
    if (this.#records === undefined || this.#missed(changes)) {
      this.#sequence = await this.#newest();
      this.#records = await this.#readAll();
    } else if (changes.length > 0) {
      const whats = changes.map(({ what }) => what);
      this.#records = await this.#follow(this.#records, whats);
      this.#sequence = changes.at(-1)!.sequence;
    }
    return { ...this.#records, volumes: this.#volumes, disks: this.#disks };
  }

  /** Lines of the list were purged before they were read, or are too many to follow one by one. */
  #missed(changes: readonly { readonly sequence: bigint }[]): boolean {
    const [first] = changes;
    if (first === undefined) return false;
    return changes.length === CHANGES_AT_ONCE || first.sequence !== this.#sequence + 1n;
  }

  /** Read before the records: a change that comes between is read twice, and never missed. */
  async #newest(): Promise<bigint> {
    const { newest } = await this.#db
      .selectFrom('changes')
      .select((eb) => eb.fn.max<bigint | null>('sequence').as('newest'))
      .executeTakeFirstOrThrow();
    return newest ?? 0n;
  }

  async #readAll(): Promise<Records> {
    const [records, volumes] = await Promise.all([
      this.#readRecords(),
      this.#db.selectFrom('volumes').selectAll().execute(),
    ]);
    this.#volumes = new VolumeIndex(volumes.map(volumeFact));
    return records;
  }

  async #follow(records: Records, whats: readonly string[]): Promise<Records> {
    const ids = new Set(whats.flatMap((what) => ONE_VOLUME.exec(what)?.[1] ?? []));
    const others = whats.filter((what) => !ONE_VOLUME.test(what));
    if (others.some((what) => !NO_VOLUME.test(what))) return await this.#readAll();
    if (ids.size > 0) await this.#readVolumes([...ids]);
    if (others.length > 0) return await this.#readRecords();
    // The use of a volume is also that of a drive, and its errors may put one down.
    return { ...records, drives: await readDrives(this.#db) };
  }

  async #readVolumes(ids: string[]): Promise<void> {
    const rows = await this.#db
      .selectFrom('volumes')
      .selectAll()
      .where('media_id', 'in', ids)
      .execute();
    const found = new Set(rows.map((row) => row.media_id));
    for (const id of ids) if (!found.has(id)) this.#volumes.delete(id);
    for (const row of rows) this.#volumes.set(volumeFact(row));
  }

  async #readRecords(): Promise<Records> {
    const db = this.#db;
    const [units, groups, members, mediaServers, robots, drives, pools] = await Promise.all([
      db.selectFrom('storage_units').selectAll().execute(),
      db.selectFrom('storage_unit_groups').selectAll().execute(),
      db.selectFrom('storage_unit_group_members').selectAll().orderBy('ordinal').execute(),
      db.selectFrom('media_servers').select(['name', 'active']).execute(),
      db.selectFrom('robots').selectAll().execute(),
      readDrives(db),
      db.selectFrom('pools').select(['number', 'name', 'scratch', 'max_partially_full']).execute(),
    ]);
    return {
      units: units.map(storageUnit),
      groups: groups.map((group) => ({
        ...group,
        units: members.filter((each) => each.group_name === group.name).map(({ unit }) => unit),
      })),
      mediaServers,
      robots: robots.map(({ number, type, control_host, path, ndmp_host, serial }) => ({
        ...{ number, type, path, serial },
        controlHost: control_host,
        ndmpHost: ndmp_host,
      })),
      drives,
      pools: pools.map(({ max_partially_full, ...pool }) => ({
        ...pool,
        maxPartiallyFull: max_partially_full,
      })),
      blockSizeBytes: this.#blockSizeBytes,
    };
  }
}

async function readDrives(db: Kysely<EmmDb>): Promise<Inventory['drives']> {
  return (await loadDrives(db)).flatMap(driveFacts);
}
