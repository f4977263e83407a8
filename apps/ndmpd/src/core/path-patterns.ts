// EXCLUDE and FILES: which names below a backup root are left out, and to which a backup is limited.
// A pattern without a slash is compared with the last component, one with a slash with the path from the
// root. "*" and "?" stay within a component, "**" does not, "[a-z]" is a set, "\" makes the next
// character plain. Paths are latin1 strings, one character a byte.

/** Splits a list at commas and newlines; "\," is a comma within a pattern. */
export function splitPatterns(list: string): string[] {
  const patterns: string[] = [];
  let current = '';
  for (let i = 0; i < list.length; i += 1) {
    const c = list[i] as string;
    if (c === '\\' && i + 1 < list.length) {
      const next = list[i + 1] as string;
      current += next === ',' ? next : c + next;
      i += 1;
    } else if (c === ',' || c === '\n') {
      patterns.push(current);
      current = '';
    } else current += c;
  }
  patterns.push(current);
  return patterns.map((pattern) => pattern.trim()).filter((pattern) => pattern !== '');
}

/** More would let one pattern keep the processor busy for a long time. */
const WILDCARDS_MAX = 8;

/** The expression of one pattern, anchored at both ends; undefined for one that cannot be used. */
export function patternExpression(pattern: string): RegExp | undefined {
  if (pattern.split('*').length - 1 > 2 * WILDCARDS_MAX) return undefined;
  let source = '';
  let i = 0;
  while (i < pattern.length) {
    const { text, length } = nextPart(pattern, i);
    source += text;
    i += length;
  }
  try {
    return new RegExp(`^(?:${source})$`, 's');
  } catch {
    return undefined;
  }
}

function nextPart(pattern: string, at: number): { text: string; length: number } {
  const c = pattern[at] as string;
  if (pattern.startsWith('**', at)) return { text: '.*', length: 2 };
  if (c === '*') return { text: '[^/]*', length: 1 };
  if (c === '?') return { text: '[^/]', length: 1 };
  if (c === '\\' && at + 1 < pattern.length) {
    return { text: escaped(pattern[at + 1] as string), length: 2 };
  }
  const end = c === '[' ? pattern.indexOf(']', at + 2) : -1;
  if (end === -1) return { text: escaped(c), length: 1 };
  const body = pattern
    .slice(at + 1, end)
    .replace(/^!/, '^')
    .replace(/[\\[\]]/g, '\\$&');
  return { text: `[${body}]`, length: end - at + 1 };
}

function escaped(c: string): string {
  return /[a-zA-Z0-9 _]/.test(c) ? c : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/** Whether a path has wildcards at all. */
export function isPattern(path: string): boolean {
  return /[*?[]/.test(path);
}

interface Rule {
  readonly wholePath: boolean;
  readonly expression: RegExp;
  /** Expressions of the directories on the way to a path, outermost first. */
  readonly above: readonly RegExp[];
}

function ruleOf(pattern: string): Rule | undefined {
  const trimmed = pattern.replace(/^(\.?\/)+/, '').replace(/\/+$/, '');
  const wholePath = pattern.replace(/\/+$/, '').includes('/');
  const expression = patternExpression(trimmed);
  if (trimmed === '' || expression === undefined) return undefined;
  const parts = wholePath ? trimmed.split('/') : [];
  return { wholePath, expression, above: directoriesAbove(parts) };
}

/** From a "**" on, every directory may lead to a match. */
function directoriesAbove(parts: readonly string[]): RegExp[] {
  const above: RegExp[] = [];
  for (let n = 1; n < parts.length; n += 1) {
    const pattern = parts.slice(0, n).join('/');
    const deep = pattern.indexOf('**');
    const made = patternExpression(deep === -1 ? pattern : `${pattern.slice(0, deep)}**`);
    if (made !== undefined) above.push(made);
  }
  return above;
}

function matches({ wholePath, expression }: Rule, path: string): boolean {
  return expression.test(wholePath ? path : path.slice(path.lastIndexOf('/') + 1));
}

/** What becomes of a name: saved, left out, or only a directory on the way to something saved. */
export type Verdict = 'in' | 'out' | 'onTheWay';

export class PathPatterns {
  readonly #excluded: readonly Rule[];
  readonly #included: readonly Rule[];

  constructor(exclude: readonly string[], include: readonly string[]) {
    const rules = (patterns: readonly string[]): Rule[] =>
      patterns.map(ruleOf).filter((rule) => rule !== undefined);
    this.#excluded = rules(exclude);
    this.#included = rules(include);
  }

  /** Nothing is left out. */
  get isEmpty(): boolean {
    return this.#excluded.length === 0 && this.#included.length === 0;
  }

  /** Backups may be limited to names below the root, which itself is only on the way then. */
  get rootVerdict(): Verdict {
    return this.#included.length === 0 ? 'in' : 'onTheWay';
  }

  /** `above` is the verdict of the directory that holds the name. */
  verdict(path: string, isDirectory: boolean, above: Verdict): Verdict {
    if (this.#excluded.some((rule) => matches(rule, path))) return 'out';
    if (above === 'in') return 'in';
    if (this.#included.some((rule) => matches(rule, path))) return 'in';
    if (!isDirectory) return 'out';
    const leads = ({ wholePath, above: way }: Rule): boolean =>
      !wholePath || way.some((expression) => expression.test(path));
    return this.#included.some(leads) ? 'onTheWay' : 'out';
  }
}
