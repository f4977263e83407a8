// Writes rows column by column into a plain Parquet file, so that DuckDB can read spooled history at its own speed.
// Only what staging needs: required columns, PLAIN encoding, one zstd page a column and row group.

import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { encodeStruct, type Field } from './thrift.ts';

export type ColumnType = 'u32' | 'u64' | 'text';

const compress = promisify(zstdCompress);
const MAGIC = Buffer.from('PAR1', 'latin1');
/** Physical type and converted type by the Parquet format's numbers. */
const PARQUET_TYPE = {
  u32: { physical: 1, converted: 13 },
  u64: { physical: 2, converted: 14 },
  text: { physical: 6, converted: 0 },
} as const;
const CODEC_ZSTD = 6;
const ENCODING = { plain: 0, rle: 3 } as const;
const REQUIRED = 0;
const ROWS_A_GROUP = 65_536;
const GROUP_MAX_BYTES = 32 * 1024 * 1024;

/** One column of the row group being filled. */
export class StagedColumn {
  readonly name: string;
  readonly type: ColumnType;
  #bytes = Buffer.allocUnsafeSlow(256 * 1024);
  #at = 0;

  constructor(name: string, type: ColumnType) {
    this.name = name;
    this.type = type;
  }

  get sizeBytes(): number {
    return this.#at;
  }

  /** Appends a little-endian number as it lies in `source`. */
  putNumber(source: Buffer, at: number): void {
    const sizeBytes = this.type === 'u64' ? 8 : 4;
    if (this.#at + sizeBytes > this.#bytes.length) this.#grow(sizeBytes);
    for (let index = 0; index < sizeBytes; index++) {
      this.#bytes[this.#at + index] = source[at + index] as number;
    }
    this.#at += sizeBytes;
  }

  putSmall(value: number): void {
    if (this.#at + 4 > this.#bytes.length) this.#grow(4);
    this.#at = this.#bytes.writeUInt32LE(value, this.#at);
  }

  /** Appends text that already is valid UTF-8. */
  putText(source: Buffer, start: number, end: number): void {
    const sizeBytes = end - start;
    if (this.#at + 4 + sizeBytes > this.#bytes.length) this.#grow(4 + sizeBytes);
    this.#at = this.#bytes.writeUInt32LE(sizeBytes, this.#at);
    if (sizeBytes > 48) source.copy(this.#bytes, this.#at, start, end);
    else {
      for (let index = 0; index < sizeBytes; index++) {
        this.#bytes[this.#at + index] = source[start + index] as number;
      }
    }
    this.#at += sizeBytes;
  }

  /** The bytes so far; the column starts afresh. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#at);
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(this.#at + 1024, 1024));
    this.#at = 0;
    return taken;
  }

  #grow(moreBytes: number): void {
    const larger = Buffer.allocUnsafeSlow((this.#bytes.length + moreBytes) * 2);
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

/** A table on disk. The caller puts one value into each column, then calls `endRow`. */
export class StagedTable {
  readonly columns: readonly StagedColumn[];
  readonly #file: FileHandle;
  #fileAt = MAGIC.length;
  #rows = 0;
  #rowsTotal = 0;
  #groups: (readonly Field[])[] = [];
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle, columns: readonly StagedColumn[]) {
    this.#file = file;
    this.columns = columns;
  }

  static async create(path: string, columns: readonly StagedColumn[]): Promise<StagedTable> {
    const file = await open(path, 'w', 0o600);
    await file.write(MAGIC);
    return new StagedTable(file, columns);
  }

  get rows(): number {
    return this.#rowsTotal + this.#rows;
  }

  /** True when the row group is full: call `endGroup` soon. */
  endRow(): boolean {
    this.#rows++;
    return this.#rows >= ROWS_A_GROUP || (this.#rows % 256 === 0 && this.#isLarge());
  }

  /** Starts to compress and write the group; waits for the one before, so that two are in memory at most. */
  async endGroup(): Promise<void> {
    if (this.#rows === 0) return;
    const rows = this.#rows;
    const parts = this.columns.map((column) => ({ column, bytes: column.take() }));
    this.#rowsTotal += rows;
    this.#rows = 0;
    await this.#writing;
    this.#writing = this.#writeGroup(rows, parts);
    this.#writing.catch(() => {}); // thrown by the next await of #writing
  }

  async close(): Promise<void> {
    try {
      await this.endGroup();
      await this.#writing;
      const footer = encodeStruct(this.#footer());
      const size = Buffer.alloc(4);
      size.writeUInt32LE(footer.length);
      await this.#file.write(Buffer.concat([footer, size, MAGIC]), 0, undefined, this.#fileAt);
    } finally {
      await this.abandon();
    }
  }

  async abandon(): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#file.close();
  }

  #isLarge(): boolean {
    return this.columns.reduce((sum, column) => sum + column.sizeBytes, 0) >= GROUP_MAX_BYTES;
  }

  async #writeGroup(
    rows: number,
    parts: readonly { column: StagedColumn; bytes: Buffer }[],
  ): Promise<void> {
    const params = { [constants.ZSTD_c_compressionLevel]: 1 };
    const packed = await Promise.all(parts.map(({ bytes }) => compress(bytes, { params })));
    const chunks: Buffer[] = [];
    const columns: (readonly Field[])[] = [];
    let at = this.#fileAt;
    for (const [index, { column, bytes }] of parts.entries()) {
      const page = packed[index] as Buffer;
      const head = pageHeader(rows, bytes.length, page.length);
      columns.push(columnChunk(column, { rows, at, head, page, sizeBytes: bytes.length }));
      chunks.push(head, page);
      at += head.length + page.length;
    }
    const group = Buffer.concat(chunks);
    await this.#file.write(group, 0, group.length, this.#fileAt);
    this.#fileAt = at;
    const plainBytes = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.#groups.push([
      { id: 1, structs: columns },
      { id: 2, i64: plainBytes },
      { id: 3, i64: rows },
    ]);
  }

  #footer(): Field[] {
    const schema: Field[][] = this.columns.map(({ name, type }) => [
      { id: 1, i32: PARQUET_TYPE[type].physical },
      { id: 3, i32: REQUIRED },
      { id: 4, text: name },
      { id: 6, i32: PARQUET_TYPE[type].converted },
    ]);
    const root: Field[] = [
      { id: 4, text: 'history' },
      { id: 5, i32: this.columns.length },
    ];
    return [
      { id: 1, i32: 1 },
      { id: 2, structs: [root, ...schema] },
      { id: 3, i64: this.#rowsTotal },
      { id: 4, structs: this.#groups },
    ];
  }
}

function pageHeader(rows: number, plainSizeBytes: number, packedSizeBytes: number): Buffer {
  const data: Field[] = [
    { id: 1, i32: rows },
    { id: 2, i32: ENCODING.plain },
    { id: 3, i32: ENCODING.rle },
    { id: 4, i32: ENCODING.rle },
  ];
  return encodeStruct([
    { id: 1, i32: 0 },
    { id: 2, i32: plainSizeBytes },
    { id: 3, i32: packedSizeBytes },
    { id: 5, struct: data },
  ]);
}

function columnChunk(
  column: StagedColumn,
  part: { rows: number; at: number; head: Buffer; page: Buffer; sizeBytes: number },
): Field[] {
  const meta: Field[] = [
    { id: 1, i32: PARQUET_TYPE[column.type].physical },
    { id: 2, i32s: [ENCODING.plain] },
    { id: 3, texts: [column.name] },
    { id: 4, i32: CODEC_ZSTD },
    { id: 5, i64: part.rows },
    { id: 6, i64: part.head.length + part.sizeBytes },
    { id: 7, i64: part.head.length + part.page.length },
    { id: 9, i64: part.at },
  ];
  return [
    { id: 2, i64: part.at },
    { id: 3, struct: meta },
  ];
}
