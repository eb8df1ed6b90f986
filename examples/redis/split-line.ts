/** An inline request's line as arguments, by the rules of Redis: those of a shell, with C's escapes in double quotes. */

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", a: "\x07" };

/** @returns the arguments, as binary strings; undefined when a quote is not closed, or something follows a closing one */
export function splitLine(line: string): string[] | undefined {
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isSpace(line.charCodeAt(at))) at++;
    if (at === line.length) return parts;
    let part = "";
    let quote = "";
    for (; ; at++) {
      const char = line[at];
      if (quote === "") {
        if (char === undefined || endsWord(char.charCodeAt(0))) break;
        if (char === '"' || char === "'") quote = char;
        else part += char;
      } else if (char === undefined) return undefined;
      else if (char === quote) {
        // A closing quote ends the argument.
        const next = line.charCodeAt(++at);
        if (at < line.length && !isSpace(next)) return undefined;
        break;
      } else if (char === "\\" && quote === '"') {
        const hex = /^x([0-9a-f]{2})/iu.exec(line.slice(at + 1, at + 4))?.[1];
        const next = line[at + 1];
        if (hex !== undefined) {
          part += String.fromCharCode(Number.parseInt(hex, 16));
          at += 3;
        } else if (next === undefined) part += char;
        else {
          part += ESCAPES[next] ?? next;
          at++;
        }
      } else if (char === "\\" && line[at + 1] === "'") {
        part += "'";
        at++;
      } else part += char;
    }
    parts.push(part);
    // The byte that ended it.
    if (at < line.length) at++;
  }
}

/** Whether a byte is passed over between arguments, and may follow a closing quote: C's isspace(). */
export function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

/** Whether a byte ends an argument that has no quotes. Not all spaces do. */
export function endsWord(byte: number): boolean {
  return byte === 32 || byte === 9 || byte === 10 || byte === 13 || byte === 0;
}
