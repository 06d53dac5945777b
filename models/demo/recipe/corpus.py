"""The training text, line by line, without what is held out."""
import hashlib
from typing import NamedTuple

import abilities
from config import HELD_OUT, LATE
from facts import FACTS
from problems import PROBLEMS
from sentences import code, sentence
from styles import STYLES, written_answer


class Line(NamedTuple):
    """A line without its newline. A text has an empty prompt."""
    prompt: str
    answer: str


MIX = {"poly_deriv": .20, "second_deriv": .14, "integral": .14, "exp_deriv": .13, "prime": .06,
       "trig": .07, "sum": .05, "fact": .08, "sentence": .10, "code": .03}
ALL_PROBLEMS = {**PROBLEMS, **abilities.PROBLEMS}
ALL_STYLES = {**STYLES, **abilities.STYLES}


def mixture(kinds=()):
    """The shares of the corpus with these kinds of abilities.SHARES in it; what they take,
    all others give in proportion."""
    added = {kind: abilities.SHARES[kind] for kind in kinds}
    left = 1 - sum(added.values())
    return {**{kind: left * share for kind, share in MIX.items()}, **added} if added else MIX


def held_out(prompt):
    """Whether a prompt belongs to the sets. A hash decides, so every run agrees."""
    digest = hashlib.sha256(prompt.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT


def arithmetic(r):
    op = r.choice("+-*")
    top = 9 if op == "*" else 20
    a, b = r.randint(1, top), r.randint(1, top)
    if op == "-" and b > a:
        a, b = b, a
    value = {"+": a + b, "-": a - b, "*": a * b}[op]
    return Line(f"{a} {op} {b} =", f" {value}")


def draw_style(kind, r):
    styles = ALL_STYLES[kind]
    return r.choices(styles, [s.weight for s in styles])[0]


def problem_line(kind, progress, r):
    while True:
        problem, style = ALL_PROBLEMS[kind](r), draw_style(kind, r)
        prompt = style.template.format(**problem.fields)
        if not held_out(prompt):
            return Line(prompt, " " + written_answer(style, problem, progress, LATE, r))


def text_line(generate, r):
    while held_out(text := generate(r)):
        pass
    return Line("", text)


def line(progress, r, mix=MIX):
    """A line of the corpus, of a kind by the shares of mix; progress runs from 0 to 1 over
    the training."""
    kind = r.choices(list(mix), mix.values())[0]
    if kind == "sum":
        return arithmetic(r)
    if kind == "fact":
        prompt, answer = r.choice(FACTS)
        return Line(prompt, " " + answer)
    if kind in ("sentence", "code"):
        return text_line(sentence if kind == "sentence" else code, r)
    return problem_line(kind, progress, r)
