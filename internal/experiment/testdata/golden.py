#!/usr/bin/env python3
"""Figures of a small model in float64, to compare the program with.

usage: golden.py MODEL.gguf INPUT.json > golden.json

Needs NumPy alone. The output is the input with "want" added, of the model as it is and with rows
inverted: perplexity and divergence of "ids", log-probabilities of the choices of
"questions". Either may be missing.
"""
import json
import sys

import numpy as np

SCALARS = {0: "<u1", 1: "<i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "<u1", 10: "<u8", 11: "<i8", 12: "<f8"}
STRING, LIST, F32, Q1_0, GROUP = 8, 9, 0, 41, 128


class File:
    """A GGUF file: metadata, and tensors as float64 matrices."""

    def __init__(self, path):
        self.data, self.at = np.fromfile(path, dtype=np.uint8), 0
        assert self.data[:4].tobytes() == b"GGUF"
        self.at = 8
        tensors, pairs = self.scalar("<u8"), self.scalar("<u8")
        self.meta = {}
        for _ in range(pairs):
            key = self.string()
            self.meta[key] = self.value(self.scalar("<u4"))
        places = {}
        for _ in range(tensors):
            name = self.string()
            shape = [self.scalar("<u8") for _ in range(self.scalar("<u4"))]
            places[name] = (shape, self.scalar("<u4"), self.scalar("<u8"))
        align = self.meta.get("general.alignment", 32)
        start = -(-self.at // align) * align
        self.tensors = {name: self.tensor(shape, kind, start + at) for name, (shape, kind, at) in places.items()}

    def scalar(self, kind):
        size = np.dtype(kind).itemsize
        self.at += size
        return self.data[self.at - size:self.at].view(kind)[0].item()

    def string(self):
        n = self.scalar("<u8")
        self.at += n
        return self.data[self.at - n:self.at].tobytes().decode("utf-8", "replace")

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == LIST:
            of, n = self.scalar("<u4"), self.scalar("<u8")
            return [self.value(of) for _ in range(n)]
        return self.scalar(SCALARS[kind])

    def tensor(self, shape, kind, at):
        cols, rows = shape[0], shape[1] if len(shape) > 1 else 1
        if kind == F32:
            return self.data[at:at + 4 * cols * rows].view("<f4").astype(np.float64).reshape(rows, cols)
        assert kind == Q1_0
        blocks = self.data[at:at + rows * cols // GROUP * 18].reshape(-1, 18)
        scale = blocks[:, :2].copy().view("<f2").astype(np.float64)
        bits = np.unpackbits(blocks[:, 2:], axis=1, bitorder="little").astype(np.float64)
        return (scale * (2 * bits - 1)).reshape(rows, cols)


class Model:
    def __init__(self, file, flips=()):
        self.w = {name: w.copy() for name, w in file.tensors.items()}
        for f in flips:
            lo, hi = f["col"], f["col"] + f["n"]
            self.w[f["tensor"]][f["row"], lo:hi] *= -1
        g = lambda key: file.meta["qwen3." + key]
        self.layers, self.heads, self.kv = g("block_count"), g("attention.head_count"), g("attention.head_count_kv")
        self.size, self.eps, self.base = g("attention.key_length"), g("attention.layer_norm_rms_epsilon"), g("rope.freq_base")

    def norm(self, x, name):
        return x * self.w[name][0] / np.sqrt(np.mean(x ** 2, axis=-1, keepdims=True) + self.eps)

    def turn(self, x):
        """Rotary positions of x [tokens, heads, size]: pairs are half a head apart."""
        half = self.size // 2
        speed = self.base ** (-np.arange(half) / half)
        turned = np.exp(1j * np.arange(len(x))[:, None] * speed)[:, None, :] * (x[..., :half] + 1j * x[..., half:])
        return np.concatenate([turned.real, turned.imag], axis=-1)

    def attend(self, x, layer):
        w = lambda name: self.w[f"blk.{layer}.attn_{name}.weight"]
        norm = lambda v, name: self.norm(v, f"blk.{layer}.attn_{name}_norm.weight")
        n = len(x)
        q = self.turn(norm((x @ w("q").T).reshape(n, self.heads, self.size), "q"))
        k = self.turn(norm((x @ w("k").T).reshape(n, self.kv, self.size), "k"))
        v = (x @ w("v").T).reshape(n, self.kv, self.size)
        out = np.zeros_like(q)
        for h in range(self.heads):
            group = h * self.kv // self.heads
            for t in range(n):
                score = k[:t + 1, group] @ q[t, h] / np.sqrt(self.size)
                p = np.exp(score - score.max())
                out[t, h] = p @ v[:t + 1, group] / p.sum()
        return out.reshape(n, -1) @ w("output").T

    def log_probs(self, ids):
        """ln p of every token behind each of ids: [tokens, vocabulary]."""
        x = self.w["token_embd.weight"][ids]
        for layer in range(self.layers):
            part = f"blk.{layer}."
            x = x + self.attend(self.norm(x, part + "attn_norm.weight"), layer)
            h = self.norm(x, part + "ffn_norm.weight")
            gate = h @ self.w[part + "ffn_gate.weight"].T
            up = h @ self.w[part + "ffn_up.weight"].T
            x = x + (gate / (1 + np.exp(-gate)) * up) @ self.w[part + "ffn_down.weight"].T
        head = self.w.get("output.weight", self.w["token_embd.weight"])
        logits = self.norm(x, "output_norm.weight") @ head.T
        top = logits.max(axis=1, keepdims=True)
        return logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))


def main(path, inputs):
    given = json.load(open(inputs))
    file = File(path)
    base, patched = Model(file), Model(file, given["flips"])
    want = {}
    if "ids" in given:
        want.update(perplexity(base, patched, given["ids"], given["window"]))
    if "questions" in given:
        for name, model in ("choices", base), ("choices_after", patched):
            want[name] = [[score(model, q["prompt"], a) for a in q["answers"]] for q in given["questions"]]
    given["want"] = want
    json.dump(given, sys.stdout, default=float, indent=1)
    print()


def perplexity(base, patched, every, size):
    before, after, kl = [], [], []
    for start in range(0, len(every) - size + 1, size):
        ids = every[start:start + size]
        p, q = base.log_probs(ids), patched.log_probs(ids)
        for t in range(size // 2, size - 1):
            before.append(p[t, ids[t + 1]])
            after.append(q[t, ids[t + 1]])
            kl.append(np.sum(np.exp(p[t]) * (p[t] - q[t])))
    return {
        "log_probs": before, "log_probs_after": after, "kl": kl,
        "perplexity": np.exp(-np.mean(before)), "perplexity_after": np.exp(-np.mean(after)),
        "kl_mean": np.mean(kl), "kl_median": np.median(kl), "kl_max": np.max(kl),
    }


def score(model, prompt, answer):
    rows = model.log_probs(prompt + answer)
    return sum(rows[len(prompt) - 1 + i, t] for i, t in enumerate(answer))


main(*sys.argv[1:])
