/** Patterns of KEYS, SCAN and CONFIG GET: `*`, `?`, `[a-z]`, `[^a]` and `\` before what is meant as it is. */

/**
 * Whether `text` matches `pattern`. At most length times length steps: after a star it is enough to go back to that
 * star, never to one before it.
 */
export function globMatches(pattern: string, text: string, ignoreCase = false): boolean {
  if (ignoreCase) return globMatches(pattern.toLowerCase(), text.toLowerCase());
  let p = 0;
  let t = 0;
  let star = -1;
  let starText = 0;
  while (t < text.length) {
    if (pattern[p] === "*") {
      star = p++;
      starText = t;
      continue;
    }
    const after = p < pattern.length ? matchOne(pattern, p, text.charCodeAt(t)) : -1;
    if (after >= 0) {
      p = after;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++starText;
    } else return false;
  }
  while (pattern[p] === "*") p++;
  return p >= pattern.length;
}

// Where the pattern goes on when what is at `at` matches `code`; -1 when it does not.
function matchOne(pattern: string, at: number, code: number): number {
  const char = pattern[at];
  if (char === "?") return at + 1;
  if (char === "[") return matchSet(pattern, at + 1, code);
  const from = char === "\\" && at + 1 < pattern.length ? at + 1 : at;
  return pattern.charCodeAt(from) === code ? from + 1 : -1;
}

function matchSet(pattern: string, from: number, code: number): number {
  const negated = pattern[from] === "^";
  let at = negated ? from + 1 : from;
  let found = false;
  for (; at < pattern.length && pattern[at] !== "]"; at++) {
    if (pattern[at] === "\\" && at + 1 < pattern.length) {
      found ||= pattern.charCodeAt(++at) === code;
    } else if (pattern[at + 1] === "-" && at + 2 < pattern.length) {
      const [one, other] = [pattern.charCodeAt(at), pattern.charCodeAt(at + 2)];
      found ||= code >= Math.min(one, other) && code <= Math.max(one, other);
      at += 2;
    } else found ||= pattern.charCodeAt(at) === code;
  }
  return found === negated ? -1 : Math.min(at + 1, pattern.length);
}
