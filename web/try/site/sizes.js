// Sizes and speeds, as the command line writes them.

// three writes a number with three digits, or all of its whole part.
const three = (x) => x.toFixed(x >= 99.95 ? 0 : x >= 9.995 ? 1 : 2);

// size is a number of bytes with a unit: 492 B, 714 KB, 1.16 GB.
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  let n = bytes;
  for (const unit of ["KB", "MB", "GB"]) {
    n /= 1000;
    if (n < 999.5) return `${three(n)} ${unit}`;
  }
  return `${three(n / 1000)} TB`;
}

// rate is a number of tokens in a time, "74.3 tokens/s"; "" of what took none.
export const rate = (tokens, seconds) => (seconds > 0 && tokens > 0 ? `${three(tokens / seconds)} tokens/s` : "");
