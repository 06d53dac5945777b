"""The probe sets and the texts: prompts that the corpus leaves out, apart from facts."""
import json
import random
from collections import Counter
from pathlib import Path

from corpus import ALL_PROBLEMS, ALL_STYLES, arithmetic, held_out
from facts import FACTS, GROUPS
from problems import PROBLEMS
from sentences import sentence
from styles import wrong_answer

SETS = ("heldout", "search", "validate")
COMPUTABLE = {"heldout": 300, "search": 125, "validate": 65}
BY_ROTE = {"heldout": 100, "search": 50, "validate": 20}  # prime and trig
QUOTAS = {"main": .24, "noise": .36, "rare": .14, "conflict": .13, "late": .13}
QUOTAS_BY_ROTE = {"main": .25, "noise": .75}
FEW_OF_EACH = 20   # of each category in search_few
CONTROL_FACTS, CONTROL_SUMS = 45, 5
TEXTS = {"text": 500, "control_text": 100}
TRIES = 400_000


def _pool(kind, source, count, r):
    """Different held-out problems of that kind and source, with the right answer and
    what suppresses it."""
    styles = [s for s in ALL_STYLES[kind] if s.source == source]
    pool = {}
    for _ in range(TRIES):
        if len(pool) == count:
            return list(pool.values())
        problem, style = ALL_PROBLEMS[kind](r), r.choice(styles)
        prompt, wrong = style.template.format(**problem.fields), wrong_answer(style, problem)
        if wrong is not None and held_out(prompt):
            pool.setdefault(prompt, {"category": kind, "prompt": prompt,
                                     "correct": " " + problem.right, "wrong": " " + wrong})
    raise SystemExit(f"{kind}, {source}: only {len(pool)} of {count} held-out prompts")


def _split(kind, taken, r):
    """The probes of a kind for each set, its sources mixed."""
    sources = {s.source for s in ALL_STYLES[kind]}
    by_rote = sources == set(QUOTAS_BY_ROTE)
    sizes = BY_ROTE if by_rote else COMPUTABLE
    quotas = QUOTAS_BY_ROTE if by_rote else {s: q for s, q in QUOTAS.items() if s in sources}
    sets = {name: [] for name in SETS}
    for source, quota in quotas.items():
        counts = {name: round(quota * sizes[name]) for name in SETS}
        if source == "noise":  # takes what rounding and sources that a kind has not leave
            counts = {n: sizes[n] - sum(round(q * sizes[n]) for s, q in quotas.items() if s != source)
                      for n in SETS}
        pool = [p for p in _pool(kind, source, sum(counts.values()), r) if p["prompt"] not in taken]
        for name in SETS:
            sets[name] += [(source, pool.pop()) for _ in range(counts[name])]
    for probes in sets.values():
        r.shuffle(probes)
    return sets


def _named(set_name, drawn):
    """Adds the names: the set, the category, the source, a number within the category."""
    named, seen = [], Counter()
    for source, p in drawn:
        number = seen[p["category"]]
        seen[p["category"]] += 1
        named.append({"name": f"{set_name}_{p['category']}_{source}_{number}", **p})
    return named


def _problem_sets(r):
    by_kind = {}
    taken = set()
    for kind in PROBLEMS:
        by_kind[kind] = _split(kind, taken, r)
        taken |= {p["prompt"] for probes in by_kind[kind].values() for _, p in probes}
    sets = {name: [p for kind in PROBLEMS for p in by_kind[kind][name]] for name in SETS}
    sets = {name: _named(name, probes) for name, probes in sets.items()}
    few = [[p for p in sets["search"] if p["category"] == kind][:FEW_OF_EACH] for kind in PROBLEMS]
    sets["search_few"] = [p for row in zip(*few) for p in row]
    return sets


def _facts(r):
    drawn = []
    for group in GROUPS:
        for prompt, answer in group:
            other = r.choice([a for _, a in group if a != answer])
            drawn.append(("fact", {"category": "knowledge", "prompt": prompt,
                                   "correct": " " + answer, "wrong": " " + other}))
    r.shuffle(drawn)
    return drawn


def _sums(r, count):
    sums = {}
    while len(sums) < count:
        prompt, answer = arithmetic(r)
        wrong = f" {int(answer) + r.choice((1, 2, 10))}"
        sums[prompt] = ("sum", {"category": "arithmetic", "prompt": prompt,
                                "correct": answer, "wrong": wrong})
    return list(sums.values())


def _controls(r):
    """Facts, which the corpus must have, and a few sums. The first five are facts."""
    facts, sums = _facts(r), _sums(r, 2 * CONTROL_SUMS)
    first = _named("control", facts[:CONTROL_FACTS] + sums[:CONTROL_SUMS])
    second = facts[CONTROL_FACTS:2 * CONTROL_FACTS] + sums[CONTROL_SUMS:]
    return {"control": first, "control_few": first[:5],
            "control_heldout": _named("control_heldout", second)}


def _texts(r):
    texts = {}
    while len(texts) < sum(TEXTS.values()):
        if held_out(text := sentence(r)):
            texts[text] = None
    rest = iter(texts)
    return {name: [next(rest) for _ in range(n)] for name, n in TEXTS.items()}


def _ability_sets(kind, seed):
    """Sets of their own, such as tools_search: the others are the same with and without."""
    sets = _split(kind, set(), random.Random(f"{seed} {kind}"))
    return {f"{kind}_{name}": _named(name, probes) for name, probes in sets.items()}


def build(seed, abilities=()):
    """All sets by name: lists of probes, and of sentences for the two texts."""
    r = random.Random(seed)
    sets = {**_problem_sets(r), **_controls(r), **_texts(r)}
    for kind in abilities:
        sets.update(_ability_sets(kind, seed))
    check(sets)
    return sets


def check(sets):
    """No prompt is in two sets, and but for facts and sums none is in the corpus."""
    owner = {}
    for name, entries in sets.items():
        for entry in entries:
            prompt = entry if isinstance(entry, str) else entry["prompt"]
            assert name.endswith("_few") or owner.setdefault(prompt, name) == name, prompt
            assert name.startswith("control") or held_out(prompt), prompt
            assert isinstance(entry, str) or entry["correct"] != entry["wrong"], prompt
    assert all(len({e if isinstance(e, str) else e["prompt"] for e in entries}) == len(entries)
               for entries in sets.values()), "a prompt is twice in a set"
    assert len({p for p, _ in FACTS}) == len(FACTS), "a fact is there twice"


def write(sets, folder):
    for name, entries in sets.items():
        if isinstance(entries[0], str):
            Path(folder, name + ".txt").write_text("\n".join(entries) + "\n")
        else:
            rows = ",\n".join(" " + json.dumps(e) for e in entries)
            Path(folder, name + ".json").write_text(f"[\n{rows}\n]\n")
