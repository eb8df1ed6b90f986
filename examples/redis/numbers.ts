/** Numbers as Redis reads and writes them: 64-bit integers without a sign of plus or leading zeros, and doubles. */

export const INT64_MAX: bigint = 2n ** 63n - 1n;
export const INT64_MIN: bigint = -(2n ** 63n);
const INTEGER = /^(?:0|-?[1-9][0-9]{0,18})$/u;
const DOUBLE = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/iu;
const INFINITE = /^([+-]?)inf(?:inity)?$/iu;

/** A signed 64-bit integer: a number where that is exact, else a bigint; undefined when `text` is not its decimal form. */
export function parseInt64(text: string): number | bigint | undefined {
  if (text.length < 16) return parseShort(text);
  if (!INTEGER.test(text)) return undefined;
  const value = BigInt(text);
  if (value > INT64_MAX || value < INT64_MIN) return undefined;
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

// Digit by digit: quicker than an expression, and every INCR comes here.
function parseShort(text: string): number | undefined {
  const { length } = text;
  const negative = text.charCodeAt(0) === 0x2d;
  let at = negative ? 1 : 0;
  const first = text.charCodeAt(at) - 0x30;
  // Zero stands alone.
  if (first === 0) return length === 1 ? 0 : undefined;
  if (!(first > 0 && first <= 9)) return undefined;
  let value = first;
  for (at++; at < length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return undefined;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}

/** A double, `inf` included and NaN not; undefined when `text` is none. */
export function parseDouble(text: string): number | undefined {
  if (DOUBLE.test(text)) {
    const value = Number(text);
    // strtod() says ERANGE.
    return Number.isFinite(value) ? value : undefined;
  }
  const sign = INFINITE.exec(text)?.[1];
  return sign === undefined ? undefined : sign === "-" ? -Infinity : Infinity;
}

/** A double with the 17 digits that tell it from every other one: C's `%.17g`. */
export function formatDouble(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0";
  if (Number.isSafeInteger(value)) return String(value);
  const sign = value < 0 ? "-" : "";
  const [mantissa = "", power = ""] = rounded(Math.abs(value)).split("e");
  const exponent = Number(power);
  const digits = mantissa.replace(".", "").replace(/0+$/u, "");
  if (exponent < -4 || exponent >= 17) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${digits[0] ?? "0"}${fraction}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const fraction = digits.slice(exponent + 1);
  return sign + whole + (fraction === "" ? "" : `.${fraction}`);
}

// As toExponential(16), but where the rest is exactly a half, to the even digit.
function rounded(value: number): string {
  // oxlint-disable-next-line oxc/number-arg-out-of-range -- 100 is allowed since ES2018
  const [mantissa = "", power = ""] = value.toExponential(100).split("e");
  const isEvenHalf = /^[0-9.]{17}[02468]50+$/u.test(mantissa);
  return isEvenHalf ? `${mantissa.slice(0, 18)}e${power}` : value.toExponential(16);
}
