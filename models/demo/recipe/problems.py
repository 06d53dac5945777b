"""The six kinds of problem: each draws one with its answer and the common mistake."""
from dataclasses import dataclass
from typing import Optional

from expressions import (canonical, cosine, derivative, exponential, poly, quotient, radians,
                         sine, tangent, term)


@dataclass(frozen=True)
class Problem:
    """One problem. `fields` fill the template of a style; `mistake` is what people
    often write instead of `right`; `other` is `right` in another notation. None
    where there is no such thing."""
    fields: dict
    right: str
    mistake: Optional[str] = None
    other: Optional[str] = None


def _apart(problem):
    """Drops what a grader could not tell from the right answer."""
    def keep(answer):
        return answer if canonical(answer) != canonical(problem.right) else None
    return Problem(problem.fields, problem.right, keep(problem.mistake), keep(problem.other))


def _powers(r, counts, low):
    k = r.choices(range(1, len(counts) + 1), counts)[0]
    return sorted(r.sample(range(low, 10), k), reverse=True)


def poly_deriv(r):
    powers = _powers(r, (45, 43, 12), 1)
    if powers == [1]:
        powers = [r.randint(2, 9)]
    terms = [(1 if r.random() < .45 else r.randint(2, 9), n) for n in powers]
    right = derivative(terms)
    a, n = terms[-1]
    if len(terms) > 1:
        wrong = poly(right[:-1] + [terms[-1]])  # the last term is left as it was
    else:
        wrong = term(a, n - 1) if a > 1 else term(n, n)  # one half of the rule
    return _apart(Problem({"p": poly(terms)}, poly(right), wrong, poly(right, python=True)))


def second_deriv(r):
    terms = [(1 if r.random() < .5 else r.randint(2, 5), n) for n in _powers(r, (70, 30), 2)]
    once = derivative(terms)
    twice = derivative(once)
    return _apart(Problem({"p": poly(terms)}, poly(twice), poly(once), poly(twice, python=True)))


def integral(r):
    v, n = r.choice("xxtuyz"), r.randint(1, 12)
    a = 1 if r.random() < .45 else r.randint(2, 12)
    wrong = quotient(a, n, v, n) if n > 1 else term(a, 2, v)  # the power is not raised
    return _apart(Problem({"p": term(a, n, v), "v": v}, quotient(a, n + 1, v, n + 1), wrong,
                          quotient(a, n + 1, v, n + 1, fraction=True)))


def exp_deriv(r):
    v = r.choice("xxtu")
    b = r.choice([b for b in range(-9, 10) if b])
    a = 1 if r.random() < .4 else r.randint(2, 12)
    if b == 1:  # the rule of powers, where it does not hold
        wrong = f"{'' if a == 1 else a}{v}e^({v}-1)"
    else:
        wrong = exponential(a, b, v)  # the inner derivative is forgotten
    return _apart(Problem({"p": exponential(a, b, v), "v": v}, exponential(a * b, b, v), wrong,
                          exponential(a * b, b, v, call=True)))


def is_prime(n):
    return n > 1 and all(n % d for d in range(2, int(n ** .5) + 1))


def prime(r):
    n = r.randint(2, 999)
    if n % 2 == 0 and r.random() < .7:
        n += 1
    right, wrong = ("Yes", "No") if is_prime(n) else ("No", "Yes")
    if n % 2 == 0 or n % 5 == 0:
        wrong = None  # nobody is mistaken about those
    return Problem({"n": n}, right, wrong)


ANGLES = [d for d in range(-360, 721) if d % 30 == 0 or d % 45 == 0]


def trig(r):
    d = r.choice(ANGLES)
    name = r.choice(("sin", "cos", "sin", "cos", "tan"))
    if name == "tan" and tangent(d) is None:
        name = "cos"
    value = {"sin": sine, "cos": cosine, "tan": tangent}
    right, wrong = value[name](d), (cosine if name == "sin" else sine)(d)
    if wrong == right:
        wrong = right[1:] if right[0] == "-" else "1" if right == "0" else "-" + right
    angle = radians(d) if r.random() < .6 else f"{d} deg"
    return Problem({"f": name, "a": angle}, right, wrong)


PROBLEMS = {"poly_deriv": poly_deriv, "second_deriv": second_deriv, "integral": integral,
            "exp_deriv": exp_deriv, "prime": prime, "trig": trig}
