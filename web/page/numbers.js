// Numbers as people read them, by one rule each, which is that of the command line. What
// needs more than these comes from the server in words.

// thousands writes a whole number with commas: 4,096.
export const thousands = (n) => (n < 0 ? "−" : "") + String(Math.abs(n)).replace(/\B(?=(\d{3})+$)/g, ",");

// plural says "1 flip" or "4,096 flips".
export const plural = (n, one, many = `${one}s`) => `${thousands(n)} ${n === 1 ? one : many}`;

const minus = (text) => text.replace("-", "−");

// nothing is the least log-probability that the server tells: that of what cannot be.
const nothing = -9999;

// logProb is a natural logarithm of a probability.
export const logProb = (p) => (p <= nothing ? "−∞" : decimals(p, 4));

// probability is that of a logarithm, in percent.
export function probability(p) {
  const percent = 100 * Math.exp(p);
  return percent < 0.005 ? "< 0.01 %" : `${percent.toFixed(2)} %`;
}

// tenths is a share in per cent, to tenths, as the reports draw it.
export const tenths = (share) => Math.round(1000 * share) / 10;

// decimals writes digits behind the point, three unless it is said how many, and nothing
// never as below 0; null is a number without bound.
export function decimals(x, digits = 3) {
  if (x === null) return "∞";
  const text = x.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : minus(text);
}

// percent is a share in per cent, without the sign: with a digit behind the point below 10.
export const percent = (share) => (share === null ? "∞" : decimals(100 * share, 100 * share < 10 ? 1 : 0));

// shades is how many shades maps have, beside that of nothing.
export const shades = 5;

// shade is that of a part of the largest: 0 of nothing, and else 1 to 5, in equal steps of
// the root.
export function shade(part, most) {
  if (part === 0 || most === 0) return 0;
  if (part === null) return shades;
  return Math.min(shades, Math.max(1, Math.ceil(shades * Math.sqrt(part / most))));
}

// bound is the largest part that has a shade.
export const bound = (shade, most) => (shade / shades) ** 2 * most;

// when is a time as all of the page writes it, "2026-11-30 00:22", in the time of where the
// browser is; "" of what is no time.
export function when(iso) {
  const t = new Date(iso), two = (n) => String(n).padStart(2, "0");
  if (Number.isNaN(t.getTime())) return "";
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${two(t.getHours())}:${two(t.getMinutes())}`;
}
