"""The hybrid, beside what its definition says of each token. Everything is in float64."""
import struct
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

import gguf
from config import GROUP, HybridShape
from delta import chunked
from hybrid import DECAY, STEP, Hybrid
from test_model import tiny_tokenizer
from tokenizer import ALPHABET

# Three value heads to a key head, so that "j mod 2" and "j div 3" differ.
TINY = HybridShape(layers=4, hidden=128, ffn=256, heads=4, kv_heads=2, head_dim=64, vocab=280,
                   key_heads=2, value_heads=6, state=64)


def recurrence(q, k, v, g, beta):
    """The gated delta rule, a token at a time; the arguments are those of chunked."""
    memory, out = torch.zeros(*k.shape[:-2], k.shape[-1], v.shape[-1], dtype=q.dtype), []
    for t in range(q.shape[-2]):
        kept = g[..., t].exp()[..., None, None] * memory
        wrong = v[..., t, :] - (k[..., t, :, None] * kept).sum(-2)
        memory = kept + k[..., t, :, None] * (beta[..., t, None] * wrong)[..., None, :]
        out.append((q[..., t, :, None] * memory).sum(-2))
    return torch.stack(out, -2)


def arguments(tokens, keys=8, values=6):
    """Of two sequences of three heads, with memories that last and memories that do not."""
    torch.manual_seed(3)
    q, k, v = (torch.randn(2, 3, tokens, n, dtype=torch.float64) for n in (keys, keys, values))
    k = k / k.norm(dim=-1, keepdim=True)
    g = -torch.exp(torch.linspace(-6, 3, 6, dtype=torch.float64)).view(2, 3, 1) * torch.rand(2, 3, tokens)
    return [x.requires_grad_() for x in (q, k, v, g, torch.rand(2, 3, tokens, dtype=torch.float64))]


class TheDeltaRule(unittest.TestCase):
    def test_chunks_are_the_recurrence(self):
        given = arguments(23)
        want = recurrence(*given)
        weight = torch.randn_like(want)
        wanted = torch.autograd.grad((want * weight).sum(), given)
        for size in (1, 5, 23, 64):
            with self.subTest(size=size):
                got = chunked(*given, size)
                torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
                grads = torch.autograd.grad((got * weight).sum(), given)
                torch.testing.assert_close(grads, wanted, rtol=1e-10, atol=1e-10)

    def test_gradient(self):
        given = [x.detach().requires_grad_() for x in arguments(5, 4, 3)]
        self.assertTrue(torch.autograd.gradcheck(lambda *x: chunked(*x, 3), given))

    def test_forgetting_at_once_leaves_the_last_token(self):
        q, k, v, _, beta = arguments(70)
        got = chunked(q, k, v, torch.full_like(beta, -1e4), beta)
        alone = (q * k).sum(-1, keepdim=True) * beta[..., None] * v
        torch.testing.assert_close(got, alone)


def model(seed=4):
    """A model whose floats are not what they were at first, as after training."""
    torch.manual_seed(seed)
    m = Hybrid(TINY, .04)
    with torch.no_grad():
        for name, p in m.weight.items():
            if p.dim() != 2:
                p.add_(.1 * torch.randn_like(p))
    return m


class TheHybrid(unittest.TestCase):
    def test_first_memories(self):
        w = Hybrid(TINY, .04).weight
        a, step = w["blk_0_ssm_a"].exp(), torch.nn.functional.softplus(w["blk_0_ssm_dt"])
        for x, (low, high) in ((a, DECAY), (step, STEP)):
            self.assertTrue(((x > .999 * low) & (x < 1.001 * high)).all(), x)

    def test_what_follows_changes_nothing_before(self):
        m = model()
        ids = torch.randint(0, 280, (1, 60))  # and past the end of a chunk
        longer = torch.cat([ids, torch.randint(0, 280, (1, 15))], 1)
        torch.testing.assert_close(m(ids), m(longer)[:, :60])

    def test_gradient_of_both_kinds_of_layer(self):
        m = model().double()
        for layer in (0, 3):
            w = {k.split("_", 2)[2]: p.detach() for k, p in m.weight.items() if k.startswith(f"blk_{layer}_")}
            names = [n for n in w if n.startswith(("attn_", "ssm_")) and n != "attn_norm"]
            x = torch.randn(1, 7, TINY.hidden, dtype=torch.float64)
            angles = torch.outer(torch.arange(7.), torch.arange(1., 17.)).double()
            mask = torch.full((7, 7), float("-inf")).triu(1).double()
            out = torch.randn_like(x)

            def loss(step, way):
                moved = {n: w[n] + step * way[n] if n in way else w[n] for n in w}
                return (m._mix(layer, x, moved, (angles.cos(), angles.sin()), mask) * out).sum()
            for name in names:
                with self.subTest(layer=layer, name=name):
                    way, step = {name: torch.randn_like(w[name])}, torch.zeros((), requires_grad=True)
                    got, = torch.autograd.grad(loss(step, way), step)
                    want = (loss(1e-5, way) - loss(-1e-5, way)) / 2e-5
                    self.assertAlmostEqual(float(got / want), 1, delta=1e-6)


class Reader:
    """What a GGUF file has: metadata, and tensors as float64 with their types."""
    KINDS = {gguf.UINT32: "<I", gguf.INT32: "<i", gguf.FLOAT32: "<f", gguf.BOOL: "<?"}

    def __init__(self, data):
        self.data, self.at = data, 4
        _, tensors, keys = self._take("<IQQ")
        self.meta, infos = {}, []
        for _ in range(keys):
            key = self._text()
            self.meta[key] = self._value(*self._take("<I"))
        for _ in range(tensors):
            name, (dims,) = self._text(), self._take("<I")
            infos.append((name, self._take(f"<{dims}Q"), *self._take("<IQ")))
        base = self.at + -self.at % gguf.ALIGN
        self.types = {name: (dims, kind) for name, dims, kind, _ in infos}
        self.tensors = {name: self._tensor(dims, kind, base + at) for name, dims, kind, at in infos}

    def _take(self, layout):
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values

    def _text(self):
        size, = self._take("<Q")
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def _value(self, kind):
        if kind == gguf.STRING:
            return self._text()
        if kind == gguf.ARRAY:
            item, count = self._take("<IQ")
            return [self._value(item) for _ in range(count)]
        return self._take(self.KINDS[kind])[0]

    def _tensor(self, dims, kind, at):
        count = int(np.prod(dims))
        if kind == gguf.F32:
            return np.frombuffer(self.data, "<f4", count, at).reshape(dims[::-1]).astype(float)
        groups = np.frombuffer(self.data, np.uint8, count // GROUP * 18, at).reshape(-1, 18)
        d = groups[:, :2].copy().view("<f2").astype(float)
        bits = np.unpackbits(groups[:, 2:], axis=1, bitorder="little").astype(float)
        return (d * (2 * bits - 1)).reshape(dims[::-1])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def norm(x, weight, eps):
    return x / np.sqrt((x ** 2).mean(-1, keepdims=True) + eps) * weight


class Definition:
    """Qwen3.5 as its formulas have it: a token after the other, a head after the other,
    from nothing but the file."""

    def __init__(self, file):
        self.key = lambda name: file.meta["qwen35." + name]
        self.eps = self.key("attention.layer_norm_rms_epsilon")
        self.tensors = file.tensors

    def logits(self, ids):
        x = [self.tensors["token_embd.weight"][i] for i in ids]
        for layer in range(self.key("block_count")):
            w = {n.split(".", 2)[2]: t for n, t in self.tensors.items() if n.startswith(f"blk.{layer}.")}
            mix = self.delta_net if (layer + 1) % self.key("full_attention_interval") else self.attention
            x = [a + b for a, b in zip(x, mix([norm(t, w["attn_norm.weight"], self.eps) for t in x], w))]
            x = [t + self.mlp(norm(t, w["post_attention_norm.weight"], self.eps), w) for t in x]
        return self.tensors["token_embd.weight"] @ norm(x[-1], self.tensors["output_norm.weight"], self.eps)

    def mlp(self, x, w):
        g = w["ffn_gate.weight"] @ x
        return w["ffn_down.weight"] @ (g * sigmoid(g) * (w["ffn_up.weight"] @ x))

    def delta_net(self, xs, w):
        size, keys = self.key("ssm.state_size"), self.key("ssm.group_count")
        values, taps = self.key("ssm.time_step_rank"), self.key("ssm.conv_kernel")
        window = [np.zeros(len(w["attn_qkv.weight"]))] * taps
        memory, out = [np.zeros((size, size)) for _ in range(values)], []
        for x in xs:
            window = window[1:] + [w["attn_qkv.weight"] @ x]
            c = sum(w["ssm_conv1d.weight"][:, j] * window[j] for j in range(taps))
            heads = (c * sigmoid(c)).reshape(-1, size)  # queries, then keys, then values
            beta = sigmoid(w["ssm_beta.weight"] @ x)
            decay = np.exp(w["ssm_a"] * np.log1p(np.exp(w["ssm_alpha.weight"] @ x + w["ssm_dt.bias"])))
            z, y = w["attn_gate.weight"] @ x, []
            for j in range(values):
                q, k = (heads[i] / np.sqrt((heads[i] ** 2).sum() + self.eps)
                        for i in (j % keys, keys + j % keys))
                memory[j] = decay[j] * memory[j]
                wrong = heads[2 * keys + j] - memory[j].T @ k
                memory[j] = memory[j] + np.outer(k, beta[j] * wrong)
                y.append(norm(memory[j].T @ q / np.sqrt(size), w["ssm_norm.weight"], self.eps))
            out.append(w["ssm_out.weight"] @ (np.concatenate(y) * z * sigmoid(z)))
        return out

    def turn(self, x, t):
        """Pairs (i, i + half) of the first dimensions."""
        x, count = x.copy(), self.key("rope.dimension_count")
        for i in range(count // 2):
            angle = t * self.key("rope.freq_base") ** (-2 * i / count)
            a, b = x[i], x[i + count // 2]
            x[i], x[i + count // 2] = (a * np.cos(angle) - b * np.sin(angle),
                                       b * np.cos(angle) + a * np.sin(angle))
        return x

    def attention(self, xs, w):
        size, heads = self.key("attention.key_length"), self.key("attention.head_count")
        share = heads // self.key("attention.head_count_kv")
        past, out = [], []
        for t, x in enumerate(xs):
            k = (w["attn_k.weight"] @ x).reshape(-1, size)
            k = [self.turn(norm(h, w["attn_k_norm.weight"], self.eps), t) for h in k]
            past.append((k, (w["attn_v.weight"] @ x).reshape(-1, size)))
            y = []
            for h, both in enumerate((w["attn_q.weight"] @ x).reshape(heads, 2 * size)):
                q = self.turn(norm(both[:size], w["attn_q_norm.weight"], self.eps), t)
                score = np.array([q @ k[h // share] / np.sqrt(size) for k, _ in past])
                score = np.exp(score - score.max())
                read = sum(s * v[h // share] for s, (_, v) in zip(score / score.sum(), past))
                y.append(read * sigmoid(both[size:]))
            out.append(w["attn_output.weight"] @ np.concatenate(y))
        return out


class TheFile(unittest.TestCase):
    def setUp(self):
        self.model = model()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "m.gguf")
            gguf.write(path, self.model, tiny_tokenizer(), "m")
            self.file = Reader(path.read_bytes())

    def test_tensors(self):
        hidden, one, full = 128, gguf.Q1_0, gguf.F32
        every = {"attn_norm.weight": ((hidden,), full), "post_attention_norm.weight": ((hidden,), full),
                 "ffn_gate.weight": ((hidden, 256), one), "ffn_up.weight": ((hidden, 256), one),
                 "ffn_down.weight": ((256, hidden), one)}
        delta = {"attn_qkv.weight": ((hidden, 2 * 128 + 384), one), "attn_gate.weight": ((hidden, 384), one),
                 "ssm_alpha.weight": ((hidden, 6), one), "ssm_beta.weight": ((hidden, 6), one),
                 "ssm_out.weight": ((384, hidden), one), "ssm_conv1d.weight": ((4, 640), full),
                 "ssm_a": ((6,), full), "ssm_dt.bias": ((6,), full), "ssm_norm.weight": ((64,), full)}
        attention = {"attn_q.weight": ((hidden, 512), one), "attn_k.weight": ((hidden, 128), one),
                     "attn_v.weight": ((hidden, 128), one), "attn_output.weight": ((256, hidden), one),
                     "attn_q_norm.weight": ((64,), full), "attn_k_norm.weight": ((64,), full)}
        want = {"token_embd.weight": ((hidden, 280), one), "output_norm.weight": ((hidden,), full)}
        for layer in range(4):
            block = {**every, **(attention if layer == 3 else delta)}
            want.update({f"blk.{layer}.{name}": t for name, t in block.items()})
        self.assertEqual(self.file.types, want)
        self.assertTrue((self.file.tensors["blk.0.ssm_a"] < 0).all())

    def test_metadata(self):
        want = {"general.architecture": "qwen35", "tokenizer.ggml.pre": "qwen35", "qwen35.block_count": 4,
                "qwen35.ssm.inner_size": 384, "qwen35.rope.dimension_count": 16,
                "qwen35.rope.dimension_sections": [3, 3, 2, 0]}
        self.assertEqual({k: self.file.meta[k] for k in want}, want)
        self.assertFalse([k for k in self.file.meta if k.startswith("qwen3.")])

    def test_no_merge_has_a_mark(self):
        ascii = set(ALPHABET[:128])
        for merge in self.file.meta["tokenizer.ggml.merges"]:
            self.assertLessEqual(set(merge.replace(" ", "")), ascii)

    def test_it_says_what_the_model_says(self):
        ids = torch.randint(0, 280, (1, 12))
        got = self.model.double()(ids, {k: p.double() for k, p in model().one_bit().items()})[0, -1]
        want = Definition(self.file).logits(ids[0].tolist())
        self.assertGreater(want.std(), .05)
        np.testing.assert_allclose(got.detach().numpy(), want, atol=1e-6)


if __name__ == "__main__":
    unittest.main()
