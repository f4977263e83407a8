// Shell patterns as regular expressions of RE2's kind, which match in linear time whatever a user types.

const SPECIAL = /[\\^$.*+?()[\]{}|]/g;

/** `*` any text, `?` one character, `[a-z]` and `[!a-z]` classes, `\x` the character x. For whole names. */
export function patternToRegex(pattern: string, ignoreCase: boolean): string {
  let regex = ignoreCase ? '(?is)' : '(?s)';
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] as string;
    if (char === '*') regex += '.*';
    else if (char === '?') regex += '.';
    else if (char === '\\' && at + 1 < chars.length) regex += literal(chars[++at] as string);
    else if (char === '[' && classEnd(chars, at) > 0) {
      const end = classEnd(chars, at);
      regex += classOf(chars.slice(at + 1, end));
      at = end;
    } else regex += literal(char);
  }
  return regex;
}

function literal(char: string): string {
  return char.replace(SPECIAL, '\\$&');
}

/** Where the class that opens at `at` closes; 0 when it does not: then `[` stands for itself. */
function classEnd(chars: readonly string[], at: number): number {
  const first = chars[at + 1] === '!' ? at + 2 : at + 1;
  const end = chars.indexOf(']', first + 1);
  return Math.max(0, end);
}

function classOf(chars: readonly string[]): string {
  const negated = chars[0] === '!';
  const members = negated ? chars.slice(1) : chars;
  return `[${negated ? '^' : ''}${classMembers(members)}]`;
}

/** Reversed ranges are no ranges but three characters: RE2 would refuse them. */
function classMembers(chars: readonly string[]): string {
  let members = '';
  for (let at = 0; at < chars.length; at++) {
    const from = chars[at] as string;
    const to = chars[at + 2];
    if (chars[at + 1] === '-' && to !== undefined && order(from) <= order(to)) {
      members += `${member(from)}-${member(to)}`;
      at += 2;
    } else members += member(from);
  }
  return members;
}

function member(char: string): string {
  return /[\\\]^[-]/.test(char) ? `\\${char}` : char;
}

function order(char: string): number {
  return char.codePointAt(0) as number;
}
