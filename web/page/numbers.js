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
export const logProb = (p) => (p <= nothing ? "−∞" : minus(p.toFixed(4)));

// probability is that of a logarithm, in percent.
export function probability(p) {
  const percent = 100 * Math.exp(p);
  return percent < 0.005 ? "< 0.01 %" : `${percent.toFixed(2)} %`;
}

// tenths is a share in per cent, to tenths, as the reports draw it.
export const tenths = (share) => Math.round(1000 * share) / 10;
