// Where texts differ, as reports mark it: between what both have at their beginning and at
// their end, in whole words.

const isWord = (c) => c !== undefined && /[\p{L}\p{N}\p{M}]/u.test(c);

// inWord says whether a place is inside of a word.
const inWord = (chars, at) => at > 0 && at < chars.length && isWord(chars[at - 1]) && isWord(chars[at]);

// differing divides a text into parts [text, marked]; the marked ones are where it differs
// from another.
export function differing(text, other) {
  const a = [...text.trim()], b = [...other.trim()];
  if (!a.length) return [["(nothing)", b.length > 0]];
  let begin = 0, end = 0;
  while (begin < a.length && begin < b.length && a[begin] === b[begin]) begin++;
  if (begin === a.length && begin === b.length) return [[text.trim(), false]];
  while (end < a.length - begin && end < b.length - begin && a.at(-1 - end) === b.at(-1 - end)) end++;
  let from = begin, to = a.length - end;
  if (inWord(a, begin) || inWord(b, begin)) while (from > 0 && isWord(a[from - 1])) from--;
  if (inWord(a, to) || inWord(b, b.length - end)) while (to < a.length && isWord(a[to])) to++;
  return [[a.slice(0, from), false], [a.slice(from, to), true], [a.slice(to), false]]
    .map(([part, marked]) => [part.join(""), marked]).filter(([part]) => part);
}

// clipped is the beginning of a text that may be very long, for where one line is enough.
export function clipped(text, most = 200) {
  if (text.length <= most) return text;
  const chars = [...text.slice(0, 2 * most)]; // of which none has more than two units
  return chars.length > most ? `${chars.slice(0, most - 1).join("")}…` : text;
}

const before = 24, most = 240; // characters that are shown of what is equal, and in all

// shortened keeps of such parts what fits into a line: from a little before the first
// difference.
export function shortened(parts) {
  const short = [];
  let left = most;
  for (const [i, [text, marked]] of parts.entries()) {
    let chars = [...text];
    if (i === 0 && !marked && parts.length > 1 && chars.length > before) chars = ["…", ...chars.slice(-before)];
    if (chars.length > left) {
      short.push([`${chars.slice(0, left).join("")}…`, marked]);
      break;
    }
    left -= chars.length;
    short.push([chars.join(""), marked]);
  }
  return short;
}
