// How numbers are written, by one rule each, wherever they stand on the page.

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

// counted is a number of things: "1 token", "2 tokens".
export const counted = (n, thing) => `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;
