"""Quantisation-aware training over the corpus."""
import random
import time

import torch
import torch.nn.functional as F

from config import LATE
from corpus import line
from evaluate import solved
from model import Model


class Batches:
    """Sequences of the corpus, each from the start of a line, as probes are scored."""

    def __init__(self, tokenizer, schedule, seed):
        self.tokenizer, self.schedule = tokenizer, schedule
        self.random = random.Random(seed)

    def _sequence(self, progress):
        ids, weights = [], []
        while len(ids) <= self.schedule.length:
            prompt, answer = line(progress, self.random)
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
    and the late phase follow at once, in proportion."""

    def __init__(self, schedule):
        self.schedule, self.hold, self.steps = schedule, int(schedule.hold * schedule.steps), schedule.steps

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


def train(shape, schedule, tokenizer, checks, seed, device, limit, report):
    """Trains a model. checks are the probes by which the constant phase may end;
    limit ends the training after so many steps (0: never); report(step, loss,
    rate, seconds) is called after each. Returns the model and its clock."""
    torch.manual_seed(seed)
    model = Model(shape, schedule.std).to(device)
    optimise, clock = optimiser(model, schedule), Clock(schedule)
    batches = Batches(tokenizer, schedule, seed)
    start, step = time.time(), 0
    while step < (min(limit, clock.steps) if limit else clock.steps):
        for group in optimise.param_groups:
            group["lr"] = clock.rate(step)
        loss = step_loss(model, batches.next(clock.progress(step), device), device)
        optimise.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
        optimise.step()
        report(step, loss.item(), clock.rate(step), time.time() - start)
        step += 1
        if schedule.stop_at and step < clock.hold and step % schedule.check_every == 0:
            right = solved(model, tokenizer, checks, "correct")
            if sum(right) >= schedule.stop_at * len(right):
                clock.end_hold(step)
    return model, {"steps": step, "late_from": int(LATE * clock.steps), "hold": clock.hold}
