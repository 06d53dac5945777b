// Which tokens of two answers are the same, though others came in between.

// side bounds the table of one comparison: longer answers are aligned piece by piece, so that
// it takes time in proportion to their length.
const side = 512;

// common finds a longest common sequence of a[from …] and b[at …], within a piece of each, as
// pairs of places.
function common(a, b, from, at) {
  const n = Math.min(side, a.length - from), m = Math.min(side, b.length - at), wide = m + 1;
  const longest = new Uint16Array((n + 1) * wide); // of what follows place i of a and j of b
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      longest[i * wide + j] = a[from + i] === b[at + j] ? longest[(i + 1) * wide + j + 1] + 1 : Math.max(longest[(i + 1) * wide + j], longest[i * wide + j + 1]);
    }
  }
  const pairs = [];
  for (let i = 0, j = 0; i < n && j < m;) {
    if (a[from + i] === b[at + j]) pairs.push([from + i++, at + j++]);
    else if (longest[(i + 1) * wide + j] >= longest[i * wide + j + 1]) i++;
    else j++;
  }
  return pairs;
}

// pairs are the places of equal tokens in two lists, in order, from a place on.
function pairs(a, b, from) {
  const all = [];
  for (let i = from, j = from; i < a.length && j < b.length;) {
    const piece = common(a, b, i, j), [lastA, lastB] = piece.at(-1) ?? [i, j];
    all.push(...piece);
    const far = lastA - i >= side / 2 || lastB - j >= side / 2; // else nothing in these pieces fits any more
    [i, j] = far ? [lastA + 1, lastB + 1] : [i + side, j + side];
  }
  return all;
}

// gaps are the stretches in which two lists differ from a place on: [begin, end) in each.
export function gaps(a, b, from) {
  const all = [];
  let i = from, j = from;
  for (const [k, l] of [...pairs(a, b, from), [a.length, b.length]]) {
    if (k > i || l > j) all.push({ mine: [i, k], theirs: [j, l] });
    [i, j] = [k + 1, l + 1];
  }
  return all;
}
