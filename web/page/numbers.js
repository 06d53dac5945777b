// Numbers as people read them, by the rules of the command line. What needs more than these
// comes from the server in words.

// thousands writes a whole number with commas: 4,096.
export const thousands = (n) => (n < 0 ? "−" : "") + String(Math.abs(n)).replace(/\B(?=(\d{3})+$)/g, ",");

// plural says "1 flip" or "4,096 flips".
export const plural = (n, one, many = `${one}s`) => `${thousands(n)} ${n === 1 ? one : many}`;

// tenths is a share in per cent, to tenths, as the reports draw it.
export const tenths = (share) => Math.round(1000 * share) / 10;
