"""Makes a demo model: corpus, tokenizer, training, export, probe sets, figures.

    python3 models/demo/recipe/make.py --out DIR [--arch qwen3|qwen35] [--model small|large] [--seed N]

A run that was broken off goes on where DIR/checkpoint.pt was written, if the command is
the same. With a --limit that it has passed, it writes the model as it then was.
"""
import os

# Read when the libraries are loaded. The kernels are fixed so that a run can be repeated.
os.environ.setdefault("OPENBLAS_CORETYPE", "HASWELL")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # wait for the other thread a moment, then sleep
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import argparse
import json
import random
from dataclasses import asdict, replace
from pathlib import Path

import torch

import abilities
import gguf
import mlx
import parity
import probes
from config import NAMES, SCHEDULES, SHAPES
from corpus import line, mixture
from evaluate import accuracy, perplexity
from tokenizer import SPECIAL, Tokenizer, train as train_tokenizer
from train import Run, train

TOKENIZER_LINES = 30_000
CURVE_EVERY = 50


def kinds(text):
    named = text.split(",")
    for kind in named:
        if kind not in abilities.SHARES:
            raise argparse.ArgumentTypeError(f"{kind!r} is none of {', '.join(abilities.SHARES)}")
    return tuple(kind for kind in abilities.SHARES if kind in named)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--out", type=Path, required=True, help="folder for what is made")
    p.add_argument("--arch", choices=SHAPES, default="qwen3")
    p.add_argument("--model", choices=("small", "large"), default="small")
    p.add_argument("--abilities", type=kinds, default=(), metavar="KINDS",
                   help="more kinds of text, with probes: tools, instructions, or both with a comma")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--threads", type=int, default=2, help="a sum depends on how it is split, so the bits do")
    p.add_argument("--steps", type=int, help="length of the schedule, instead of the model's own")
    p.add_argument("--batch", type=int, help="sequences a step, instead of the model's own")
    p.add_argument("--limit", type=int, default=0, help="end after so many steps of the schedule")
    p.add_argument("--minutes", type=float, default=0,
                   help="end the schedule in this time, with fewer steps if need be")
    a = p.parse_args()
    if a.model not in SHAPES[a.arch]:
        p.error(f"--arch {a.arch} has no --model {a.model}")
    return a


def make_tokenizer(size, seed, mix):
    r = random.Random(seed)
    lines = ["".join(line(i / TOKENIZER_LINES, r, mix)) for i in range(TOKENIZER_LINES)]
    return Tokenizer(train_tokenizer("\n".join(lines) + "\n", size - 256 - len(SPECIAL)), size)


class Report:
    """The loss of every step, to the last digit, in a file; means of it for the curve."""

    def __init__(self, path, done):
        """done is how many steps of an earlier run in the same file count."""
        earlier = path.read_text().splitlines()[:done] if done else []
        self.file, self.recent, self.curve = path.open("w"), [], []
        for line in earlier:
            step, loss = line.split()
            self._add(int(step), float(loss))

    def _add(self, step, loss):
        self.file.write(f"{step} {loss!r}\n")
        self.recent.append(loss)
        if (step + 1) % CURVE_EVERY == 0:
            self.curve.append([step + 1, round(sum(self.recent) / len(self.recent), 4)])
            self.recent = []
            self.file.flush()

    def __call__(self, step, loss, rate, seconds):
        self._add(step, loss)
        if not self.recent:
            mean = self.curve[-1][1]
            print(f"step {step + 1}  loss {mean:.4f}  rate {rate:.2e}  {seconds:.0f} s", flush=True)


def check_borders(tokenizer, sets):
    """A prompt and its answer have the same tokens apart as together."""
    for entries in sets.values():
        for e in entries:
            if isinstance(e, dict):
                for answer in (e["correct"], e["wrong"]):
                    apart = tokenizer.encode(e["prompt"]) + tokenizer.encode(answer + "\n")
                    assert apart == tokenizer.encode(e["prompt"] + answer + "\n"), e["prompt"]


def figures(model, tokenizer, sets):
    scored = {n: s for n, s in sets.items() if not n.endswith("_few")}
    return {
        "accuracy": {n: accuracy(model, tokenizer, s) for n, s in scored.items() if "text" not in n},
        "perplexity": {n: perplexity(model, tokenizer, s) for n, s in scored.items() if "text" in n},
    }


def export(out, name, model, tokenizer):
    size = gguf.write(out / f"{name}.gguf", model, tokenizer, name)
    if model.shape.arch == "qwen3":
        mlx.write(out / name, model, tokenizer)
    parity.dump(out / "parity.json", model, tokenizer)
    return size


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
    a.out.mkdir(parents=True, exist_ok=True)
    shape, schedule, name = SHAPES[a.arch][a.model], SCHEDULES[a.model], NAMES[a.arch, a.model]
    schedule = replace(schedule, steps=a.steps or schedule.steps, batch=a.batch or schedule.batch)
    sets, mix = probes.build(a.seed, a.abilities), mixture(a.abilities)
    tokenizer = make_tokenizer(shape.vocab, a.seed, mix)
    check_borders(tokenizer, sets)
    probes.write(sets, a.out)
    run, kept = Run(shape, schedule, tokenizer, a.seed, a.device, a.minutes, mix), a.out / "checkpoint.pt"
    if kept.exists():
        run.load(kept, a.device)
    report = Report(a.out / "losses.txt", run.step)
    phases = train(run, sets["validate"], a.device, a.limit, report, kept)
    model = run.model.cpu()
    size = export(a.out, name, model, tokenizer)
    metrics = {
        "model": name, "seed": a.seed, "shape": asdict(shape), "schedule": asdict(schedule), **phases,
        "tokens": run.step * schedule.batch * schedule.length, "bytes": size,
        **figures(model, tokenizer, sets), "curve": report.curve,
        **({"abilities": a.abilities} if a.abilities else {}),
        "torch": torch.__version__, "device": a.device, "threads": a.threads,
        "seconds": round(run.seconds), "minutes": a.minutes,
    }
    (a.out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    if not a.limit:
        kept.unlink(missing_ok=True)
    total = metrics["accuracy"]["heldout"]["all"]
    print(f"{name}: {size} bytes, held-out {total['right']} of {total['of']}")


if __name__ == "__main__":
    main()
