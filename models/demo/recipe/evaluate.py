"""What a model answers, and how well it predicts text."""
import math
from collections import Counter

import torch
import torch.nn.functional as F


def _padded(rows, device):
    """Rows of different lengths; what is after an end changes nothing before it."""
    width = max(map(len, rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows], device=device)


@torch.no_grad()
def _logits(model, rows, size=64):
    """Yields each row with its logits, length × vocab."""
    weights = model.one_bit()
    device = weights["token_embd"].device
    for i in range(0, len(rows), size):
        part = rows[i:i + size]
        for row, logits in zip(part, model(_padded(part, device), weights)):
            yield row, logits[:len(row)]


def greedy(model, rows, heads):
    """For each row of ids, whether greedy generation from its first `head` ids gives
    the rest. It does if each id is the likeliest after those before it, so one pass
    tells."""
    out = []
    for (row, logits), head in zip(_logits(model, rows), heads):
        want = torch.tensor(row[head:], device=logits.device)
        out.append(bool((logits[head - 1:-1].argmax(-1) == want).all()))
    return out


def solved(model, tokenizer, probes, field):
    """For each probe, whether the model gives exactly that field's answer and ends
    the line."""
    heads = [len(tokenizer.encode(p["prompt"])) for p in probes]
    rows = [tokenizer.encode(p["prompt"] + p[field] + "\n") for p in probes]
    return greedy(model, rows, heads)


def accuracy(model, tokenizer, probes):
    """How many are right, how many wrong in the way of the probe, and of how many:
    in all, by category, and by category and source."""
    right, wrong = (solved(model, tokenizer, probes, f) for f in ("correct", "wrong"))
    counts = {}
    for p, r, w in zip(probes, right, wrong):
        source = p["name"].split("_")[-2]
        for key in ("all", p["category"], source, f"{p['category']} {source}"):
            counts.setdefault(key, Counter()).update(right=r, wrong=w, of=1)
    return {k: dict(c) for k, c in sorted(counts.items())}


def perplexity(model, tokenizer, texts):
    """Over all tokens but the first of each line, with the newline that ends it."""
    rows = [tokenizer.encode(t + "\n") for t in texts]
    loss = count = 0
    for row, logits in _logits(model, rows):
        want = torch.tensor(row[1:], device=logits.device)
        loss += F.cross_entropy(logits[:-1], want, reduction="sum").item()
        count += len(want)
    return math.exp(loss / count)
