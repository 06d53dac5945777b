"""python3 -m unittest discover -s models/demo/recipe"""
import math
import random
import re
import unittest
from collections import Counter

import probes
from config import LATE
from corpus import MIX, held_out, line, problem_line
from expressions import canonical, radians
from facts import FACTS
from problems import PROBLEMS, is_prime
from sentences import sentence
from styles import SOURCES, STYLES, written_answer


def value(text, v, at):
    """An expression of the corpus at a point, in either notation."""
    text = text.replace("^", "**").replace("exp", "E")
    text = re.sub(r"(?<![a-z])e\*\*(\([^)]*\)|[a-z])", r"E(\1)", text)
    text = re.sub(r"(?<=[\d)])(?=[a-zE(])|(?<=[a-z])(?=E)", "*", text)
    return eval(text, {"E": math.exp, v: at})


def slope(text, v, at, h=1e-5):
    return (value(text, v, at + h) - value(text, v, at - h)) / (2 * h)


class Problems(unittest.TestCase):
    def same(self, kind, derived, of):
        """The right answers of a kind, in both notations, against differences."""
        r = random.Random(1)
        for _ in range(200):
            p = PROBLEMS[kind](r)
            for answer in filter(None, (p.right, p.other)):
                v, at = p.fields.get("v", "x"), 0.7
                want = derived(of(p, answer), v, at)
                got = value(answer if of(p, answer) != answer else p.fields["p"], v, at)
                self.assertTrue(math.isclose(got, want, rel_tol=1e-4, abs_tol=1e-4), (p, got, want))

    def test_derivatives(self):
        for kind in ("poly_deriv", "exp_deriv"):
            self.same(kind, slope, lambda p, answer: p.fields["p"])

    def test_integrals(self):
        self.same("integral", slope, lambda p, answer: answer)

    def test_second_derivatives(self):
        def twice(text, v, at, h=1e-3):
            return (value(text, v, at + h) - 2 * value(text, v, at) + value(text, v, at - h)) / h ** 2
        self.same("second_deriv", twice, lambda p, answer: p.fields["p"])

    def test_trigonometry(self):
        r = random.Random(1)
        for _ in range(300):
            p = PROBLEMS["trig"](r)
            angle = p.fields["a"]
            if angle.endswith("deg"):
                at = math.radians(int(angle[:-4]))
            else:
                at = eval(angle, {"pi": math.pi})
            got = eval(p.right, {"sqrt": math.sqrt})
            self.assertAlmostEqual(got, getattr(math, p.fields["f"])(at), places=9)

    def test_radians(self):
        self.assertEqual([radians(d) for d in (0, 30, -135, 180, 360, 450)],
                         ["0", "pi/6", "-3*pi/4", "pi", "2*pi", "5*pi/2"])

    def test_primes(self):
        self.assertEqual([n for n in range(30) if is_prime(n)], [2, 3, 5, 7, 11, 13, 17, 19, 23, 29])

    def test_wrong_answers_are_wrong(self):
        r = random.Random(2)
        for kind, draw in PROBLEMS.items():
            for _ in range(300):
                p = draw(r)
                for wrong in filter(None, (p.mistake, p.other)):
                    self.assertNotEqual(canonical(wrong), canonical(p.right), kind)


class Lines(unittest.TestCase):
    def test_nothing_held_out(self):
        r = random.Random(3)
        facts = {p for p, _ in FACTS}
        for i in range(5000):
            got = line(i / 5000, r)
            if got.prompt not in facts and not re.match(r"\d+ [-+*]", got.prompt):
                self.assertFalse(held_out(got.prompt or got.answer), got)

    def test_shares(self):
        """Each style has its wrong answers in its share, the late ones not before time."""
        r = random.Random(4)
        for kind, styles in STYLES.items():
            for style in styles:
                for progress, share in ((0.0, 0.0 if style.source == "late" else style.share),
                                        (LATE, style.share)):
                    wrong = n = 0
                    while n < 1000:
                        p = PROBLEMS[kind](r)
                        if (p.other if style.source == "conflict" else p.mistake) is not None:
                            wrong += written_answer(style, p, progress, LATE, r) != p.right
                            n += 1
                    self.assertAlmostEqual(wrong / n, share, delta=.06)

    def test_kinds(self):
        self.assertAlmostEqual(sum(MIX.values()), 1)
        for kind in PROBLEMS:
            prompt, answer = problem_line(kind, 0, random.Random(5))
            self.assertTrue(answer.startswith(" ") and prompt)

    def test_sentences_vary(self):
        r = random.Random(6)
        self.assertGreater(len({sentence(r) for _ in range(8000)}), 7500)


class Sets(unittest.TestCase):
    def setUp(self):
        self.sets = probes.build(1)

    def test_repeatable(self):
        self.assertEqual(self.sets, probes.build(1))

    def test_sizes(self):
        self.assertEqual({n: len(s) for n, s in self.sets.items()}, {
            "heldout": 1400, "search": 600, "validate": 300, "search_few": 120, "control": 50,
            "control_few": 5, "control_heldout": 50, "text": 500, "control_text": 100})
        for name in ("heldout", "search", "validate"):
            sources = Counter(p["name"].split("_")[-2] for p in self.sets[name])
            self.assertEqual(set(sources), set(SOURCES))

    def test_few_are_of_the_whole(self):
        few = self.sets["search_few"]
        self.assertTrue(all(p in self.sets["search"] for p in few))
        self.assertEqual(set(Counter(p["category"] for p in few).values()), {20})

    def test_check_refuses(self):
        for change in (lambda s: s["validate"].append(s["heldout"][0]),       # in two sets
                       lambda s: s["search"].append(s["search"][0]),         # twice in one
                       lambda s: s["heldout"][0].update(prompt="d/dx [x] ="),  # in the corpus
                       lambda s: s["text"].append(s["control_text"][0])):
            sets = probes.build(1)
            change(sets)
            with self.assertRaises(AssertionError):
                probes.check(sets)


if __name__ == "__main__":
    unittest.main()
