// Columns and labelled lines: the shapes that all listings for people are made of.

export interface Column {
  readonly title: string;
  /** Numbers stand right. */
  readonly right?: boolean;
}

/** Titles, then a line a row; columns as wide as their widest word, two spaces between. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, i) =>
    rows.reduce((widest, row) => Math.max(widest, row[i]?.length ?? 0), title.length),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) =>
        columns[i]?.right ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return `${[columns.map(({ title }) => title), ...rows].map(line).join('\n')}\n`;
}

export type Field = readonly [label: string, value: string | number | bigint];

/** `Label:   value` lines with the values in one column. */
export function fields(rows: readonly Field[], indent = 0): string {
  const width = Math.max(...rows.map(([label]) => label.length)) + 2;
  return rows
    .map(([label, value]) => {
      const text = String(value) === '' ? '-' : String(value);
      return `${' '.repeat(indent)}${`${label}:`.padEnd(width)} ${text}\n`;
    })
    .join('');
}

/** NetBackup's word for a value that is not set, in records for programs. */
export function orNull(text: string): string {
  return text === '' ? '*NULL*' : text;
}

/** A text as one field of a record of words: quoted when it has spaces. */
export function word(text: string): string {
  if (text === '') return '*NULL*';
  return /[\s"]/.test(text) ? `"${text.replaceAll('"', '\\"')}"` : text;
}

/** Broken at blanks; a word that is longer than a line keeps together, so that it can be copied. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines;
}
