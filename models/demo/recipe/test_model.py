"""python3 -m unittest discover -s models/demo/recipe"""
import json
import random
import struct
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import gguf
import mlx
from config import SCHEDULES, Shape
from corpus import line
from evaluate import greedy, perplexity
from model import Model, OneBit, quantised
from tokenizer import Tokenizer, train as train_tokenizer
from train import Batches, Clock, Run, train

TINY = Shape(layers=2, hidden=128, ffn=256, heads=2, kv_heads=1, head_dim=64, vocab=280)


def tiny_tokenizer():
    r = random.Random(1)
    return Tokenizer(train_tokenizer("\n".join("".join(line(0, r)) for _ in range(200)), 16), 280)


class TheTokenizer(unittest.TestCase):
    def test_there_and_back(self):
        t = tiny_tokenizer()
        for text in ("", "f(x) = 12x^3, f'(x) =", "a\nb \n\n c", "caf\u00e9 \u4f60", "_x__y"):
            self.assertEqual(t.decode(t.encode(text)), text)

    def test_no_merge_of_digits_or_newlines(self):
        t = tiny_tokenizer()
        for a, b in t.merges:
            self.assertNotRegex(a + b, r"\d\d|\u010a")
        self.assertEqual(t.encode("x.\n")[-1], t.newline)
        self.assertEqual(len(t.tokens), 280)
        self.assertEqual(len(t.encode("2026")), 4)


class TheModel(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        self.model = Model(TINY, .04)

    def test_one_scale_a_group(self):
        w = torch.randn(4, 256)
        q = quantised(w)
        self.assertTrue(torch.equal(q.sign(), w.sign()))
        for g in range(2):
            part = slice(128 * g, 128 * g + 128)
            want = w[:, part].abs().mean(1).half().float()
            self.assertTrue(torch.equal(q[:, part].abs(), want[:, None].expand(-1, 128)))

    def test_straight_through(self):
        w = torch.randn(2, 128, requires_grad=True)
        grad = torch.randn(2, 128)
        OneBit.apply(w).backward(grad)
        self.assertTrue(torch.equal(w.grad, grad))

    def test_what_follows_changes_nothing_before(self):
        ids = torch.randint(0, 280, (1, 12))
        longer = torch.cat([ids, torch.randint(0, 280, (1, 5))], 1)
        torch.testing.assert_close(self.model(ids), self.model(longer)[:, :12])

    def test_parameters(self):
        names = [n for n, _, _ in self.model.tensors()]
        self.assertEqual(names[:2], ["token_embd.weight", "blk.0.attn_q.weight"])
        self.assertIn("blk.1.attn_q_norm.weight", names)
        self.assertEqual(len(names), 2 + 2 * 11)


class Export(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(2)
        self.model, self.tokenizer = Model(TINY, .04), tiny_tokenizer()

    def test_packed_is_what_was_trained(self):
        w = torch.randn(8, 256)
        d, bits = gguf.packed(w)
        plus = np.unpackbits(bits, axis=-1, bitorder="little").astype(np.float32)
        got = (2 * plus - 1) * d[..., None].astype(np.float32)
        np.testing.assert_array_equal(got.reshape(8, 256), quantised(w).numpy())

    def test_gguf(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "m.gguf")
            size = gguf.write(path, self.model, self.tokenizer, "m")
            data = path.read_bytes()
        self.assertEqual((data[:4], len(data)), (b"GGUF", size))
        self.assertEqual(struct.unpack("<IQ", data[4:16]), (3, 24))
        last = list(self.model.weight["output_norm"].detach().numpy())
        self.assertEqual(list(np.frombuffer(data[-512:], "<f4")), last)

    def test_mlx(self):
        with tempfile.TemporaryDirectory() as folder:
            mlx.write(Path(folder), self.model, self.tokenizer)
            data = Path(folder, "model.safetensors").read_bytes()
        size, = struct.unpack("<Q", data[:8])
        header, body = json.loads(data[8:8 + size]), data[8 + size:]

        def read(name, kind):
            start, end = header[name]["data_offsets"]
            return np.frombuffer(body[start:end], kind).reshape(header[name]["shape"])
        base = "model.layers.1.mlp.down_proj."
        bits = np.unpackbits(read(base + "weight", "<u4").view(np.uint8), axis=-1, bitorder="little")
        scale, bias = (np.repeat(read(base + n, "<f2"), 128, 1).astype(np.float32)
                       for n in ("scales", "biases"))
        want = quantised(self.model.weight["blk_1_ffn_down"].detach()).numpy()
        np.testing.assert_array_equal(scale * bits + bias, want)


class Training(unittest.TestCase):
    def test_clock(self):
        schedule = replace(SCHEDULES["small"], steps=1000)
        clock = Clock(schedule)
        self.assertAlmostEqual(clock.rate(0), schedule.rate / schedule.warmup)
        self.assertEqual(clock.rate(350), schedule.rate)
        self.assertAlmostEqual(clock.rate(675), schedule.rate / 2)
        self.assertAlmostEqual(clock.rate(999), schedule.rate * schedule.floor)
        clock.end_hold(70)
        self.assertEqual((clock.steps, clock.rate(70)), (200, schedule.rate))

    def test_a_time_limit_leaves_steps_out(self):
        schedule = replace(SCHEDULES["small"], steps=1000)
        self.assertEqual(Clock(schedule).at(10, 1e6), 10)
        hurried = Clock(schedule, minutes=10)
        for step, seconds, at in ((0, 0, 0), (10, 3, 10), (10, 300, 500), (100, 600, 1000)):
            self.assertEqual(hurried.at(step, seconds), at)

    def test_goes_on_where_it_was_kept(self):
        tokenizer, schedule = tiny_tokenizer(), replace(SCHEDULES["small"], steps=6, batch=2, warmup=2)
        once, twice = [], []

        def training():
            return Run(TINY, schedule, tokenizer, 1, "cpu")
        train(training(), [], "cpu", 0, lambda *now: once.append(now[:3]))
        with tempfile.TemporaryDirectory() as folder:
            kept = Path(folder, "checkpoint.pt")
            first = training()
            train(first, [], "cpu", 3, lambda *now: twice.append(now[:3]))
            first.save(kept)
            second = training()
            second.load(kept, "cpu")
            train(second, [], "cpu", 0, lambda *now: twice.append(now[:3]))
        self.assertEqual(twice, once)

    def test_batches(self):
        schedule = replace(SCHEDULES["small"], batch=2)
        inputs, targets, weights = Batches(tiny_tokenizer(), schedule, 1).next(0, "cpu")
        self.assertEqual(inputs.shape, (2, schedule.length))
        self.assertTrue(torch.equal(inputs[:, 1:], targets[:, :-1]))
        self.assertEqual({round(w, 3) for w in weights.flatten().tolist()}, {.3, 1.0})

    def test_repeats_and_learns(self):
        tokenizer = tiny_tokenizer()
        schedule = replace(SCHEDULES["small"], steps=30, batch=4, warmup=5)
        losses = [], []
        for run in losses:
            training = Run(TINY, schedule, tokenizer, 1, "cpu")
            train(training, [], "cpu", 0, lambda step, loss, rate, seconds: run.append(loss))
        model = training.model
        self.assertEqual(losses[0], losses[1])
        self.assertLess(losses[0][-1], losses[0][0] - 1)
        untrained = Model(TINY, .04)
        text = ["The cat sleeps in the garden."]
        self.assertLess(perplexity(model, tokenizer, text), perplexity(untrained, tokenizer, text))

    def test_greedy(self):
        model, tokenizer = Model(TINY, .5), tiny_tokenizer()
        rows, heads = [], []
        for prompt in ("Bees make", "The capital of Peru is", "2 + 2 ="):
            ids = tokenizer.encode(prompt)
            heads.append(len(ids))
            for _ in range(3):
                ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
            rows.append(ids)
        self.assertEqual(greedy(model, rows, heads), [True] * 3)
        for at in (-1, -3):  # one id differs
            changed = [row[:] for row in rows]
            changed[1][at] ^= 1
            self.assertEqual(greedy(model, changed, heads), [True, False, True])


if __name__ == "__main__":
    unittest.main()
