"""Quantisation-aware training over the corpus."""
import random
import time

import torch
import torch.nn.functional as F

from config import LATE
from corpus import MIX, line
from evaluate import solved
from hybrid import Hybrid
from model import Model

KEEP_EVERY = 100  # steps between two writes of the file from which a run can go on
MODELS = {"qwen3": Model, "qwen35": Hybrid}


class Batches:
    """Sequences of the corpus, each from the start of a line, as probes are scored."""

    def __init__(self, tokenizer, schedule, seed, mix=MIX):
        self.tokenizer, self.schedule, self.mix = tokenizer, schedule, mix
        self.random = random.Random(seed)

    def _sequence(self, progress):
        ids, weights = [], []
        while len(ids) <= self.schedule.length:
            prompt, answer = line(progress, self.random, self.mix)
            head = len(self.tokenizer.encode(prompt))
            whole = self.tokenizer.encode(prompt + answer + "\n")
            ids += whole
            weights += [self.schedule.prompt_weight] * head + [1.0] * (len(whole) - head)
        return ids[:self.schedule.length + 1], weights[:self.schedule.length + 1]

    def next(self, progress, device):
        """Inputs, targets and the targets' weights, batch × length each."""
        rows = [self._sequence(progress) for _ in range(self.schedule.batch)]
        ids = torch.tensor([r[0] for r in rows], device=device)
        weights = torch.tensor([r[1] for r in rows], device=device)
        return ids[:, :-1], ids[:, 1:], weights[:, 1:]


class Clock:
    """Where the schedule stands. The constant phase can end early: then the decay
    and the late phase follow at once, in proportion. With a time limit, a share of it
    stands for that share of the steps if it is the greater: so a slow machine leaves
    out steps, but no phase, and the figures depend on its speed."""

    def __init__(self, schedule, minutes=0):
        self.schedule, self.hold, self.steps = schedule, int(schedule.hold * schedule.steps), schedule.steps
        self.seconds = 60 * minutes

    def at(self, step, seconds):
        """The step of the schedule at which a run stands after so many steps and seconds."""
        return max(step, self.steps * seconds / self.seconds) if self.seconds else step

    def rate(self, step):
        s = self.schedule
        left = min(1.0, (self.steps - step) / (self.steps - self.hold))
        return s.rate * min(1.0, (step + 1) / s.warmup) * max(s.floor, left)

    def end_hold(self, step):
        self.hold, self.steps = step, int(step / self.schedule.hold)

    def progress(self, step):
        return step / self.steps


def optimiser(model, schedule):
    return torch.optim.AdamW(model.parameters(), lr=schedule.rate, betas=schedule.betas,
                             weight_decay=0.0, foreach=True)


def step_loss(model, batch, device):
    ids, targets, weights = batch
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        logits = model(ids)
    losses = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum()


class Run:
    """A training with all that it needs to go on, from a file if need be."""

    def __init__(self, shape, schedule, tokenizer, seed, device, minutes=0, mix=MIX):
        torch.manual_seed(seed)
        self.model = MODELS[shape.arch](shape, schedule.std).to(device)
        self.optimiser, self.clock = optimiser(self.model, schedule), Clock(schedule, minutes)
        self.batches = Batches(tokenizer, schedule, seed, mix)
        self.step, self.seconds = 0, 0.0

    def save(self, path):
        fresh = path.with_suffix(".new")
        torch.save({"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(),
                    "random": self.batches.random.getstate(), "step": self.step, "seconds": self.seconds,
                    "hold": self.clock.hold, "steps": self.clock.steps}, fresh)
        fresh.replace(path)  # whole or not at all, whenever the run is ended

    def load(self, path, device):
        kept = torch.load(path, map_location=device)
        self.model.load_state_dict(kept["model"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.batches.random.setstate(kept["random"])
        self.step, self.seconds = kept["step"], kept["seconds"]
        self.clock.hold, self.clock.steps = kept["hold"], kept["steps"]


def train(run, checks, device, limit, report, keep=None):
    """Trains run.model from run.step on. checks are the probes by which the constant
    phase may end; limit ends the training after so many steps (0: never); report(step,
    loss, rate, seconds) is called after each. keep is a file for the run, written now
    and then. Returns where the schedule's phases began."""
    model, clock, schedule = run.model, run.clock, run.clock.schedule
    start = time.time() - run.seconds
    while (at := clock.at(run.step, run.seconds)) < clock.steps and not (limit and run.step >= limit):
        for group in run.optimiser.param_groups:
            group["lr"] = clock.rate(at)
        loss = step_loss(model, run.batches.next(clock.progress(at), device), device)
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
        run.optimiser.step()
        run.seconds = time.time() - start
        report(run.step, loss.item(), clock.rate(at), run.seconds)
        run.step += 1
        if schedule.stop_at and run.step < clock.hold and run.step % schedule.check_every == 0:
            right = solved(model, run.batches.tokenizer, checks, "correct")
            if sum(right) >= schedule.stop_at * len(right):
                clock.end_hold(run.step)
        if keep and run.step % KEEP_EVERY == 0:
            run.save(keep)
    return {"steps": run.step, "late_from": int(LATE * clock.steps), "hold": clock.hold}
