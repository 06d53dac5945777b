"""Byte-level BPE with the splitting rule that GGUF calls qwen2."""
import re
from collections import Counter

# The rule in the notation of tokenizer.json. Digits stand alone.
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
# The same for Python's re, which has no \p: exact where \w is letters, decimal digits and _.
_SPLIT = re.compile(SPLIT.replace(r"[^\r\n\p{L}\p{N}]?", r"(?:[^\r\n\w]|_)?")
                    .replace(r"[^\s\p{L}\p{N}]+", r"(?:[^\s\w]|_)+")
                    .replace(r"\p{L}", r"[^\W\d_]").replace(r"\p{N}", r"\d"))
SPECIAL = ["<|endoftext|>", "<|im_end|>"]  # the last two ids


def _alphabet():
    """GPT-2's printable character for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(spare)) for b in range(256)]


ALPHABET = _alphabet()
_NEWLINE = ALPHABET[10]


def _letters(word):
    return [ALPHABET[b] for b in word.encode()]


def _merge(symbols, pair):
    out, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i:i + 2]) == pair:
            out.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return out


def train(text, count):
    """The merges of the most frequent pairs; none has a newline, so that an answer
    always ends with a token of its own."""
    words = {w: _letters(w) for w in _SPLIT.findall(text)}
    seen = Counter(_SPLIT.findall(text))
    merges = []
    while len(merges) < count:
        pairs = Counter()
        for word, symbols in words.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += seen[word]
        pairs = {p: n for p, n in pairs.items() if _NEWLINE not in p[0] + p[1]}
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        words = {w: _merge(s, best) for w, s in words.items()}
    return merges


class Tokenizer:
    """Text to ids and back. The ids are those of the 256 bytes, of the merges in
    order, unused ones up to size, and the two special tokens."""

    def __init__(self, merges, size):
        self.merges = merges
        self.tokens = ALPHABET + [a + b for a, b in merges]
        self.used = len(self.tokens)
        self.tokens += [f"[PAD{i}]" for i in range(self.used, size - len(SPECIAL))] + SPECIAL
        self._rank = {pair: i for i, pair in enumerate(merges)}
        self._ids = {t: i for i, t in enumerate(self.tokens)}
        self._words = {}
        self.newline = self._ids[_NEWLINE]

    def _word(self, word):
        if word not in self._words:
            symbols = _letters(word)
            while len(symbols) > 1:
                pair = min(zip(symbols, symbols[1:]), key=lambda p: self._rank.get(p, len(self._rank)))
                if pair not in self._rank:
                    break
                symbols = _merge(symbols, pair)
            self._words[word] = [self._ids[s] for s in symbols]
        return self._words[word]

    def encode(self, text):
        return [i for word in _SPLIT.findall(text) for i in self._word(word)]

    def decode(self, ids):
        byte = {c: b for b, c in enumerate(ALPHABET)}
        return bytes(byte[c] for i in ids for c in self.tokens[i]).decode("utf-8", "replace")
