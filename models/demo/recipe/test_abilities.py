"""python3 -m unittest discover -s models/demo/recipe"""
import ast
import hashlib
import json
import random
import re
import unittest
from collections import Counter

import abilities
import probes
from corpus import MIX, held_out, line, mixture
from expressions import canonical

BOTH = ("tools", "instructions")


def parsed(text):
    """The name, the arguments by place and those by name of a call."""
    call = ast.parse(text, mode="eval").body
    return (call.func.id, [a.value for a in call.args], {k.arg: k.value.value for k in call.keywords})


def digest(data):
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()


class ByDefault(unittest.TestCase):
    """The built-in model is made of exactly this text and these sets: a change of them is
    a change of every figure that stands anywhere."""

    def test_corpus(self):
        r = random.Random(1)
        lines = "".join("|".join(line(i / 5000, r)) + "\n" for i in range(5000))
        self.assertEqual(hashlib.sha256(lines.encode()).hexdigest(),
                         "8f859827f6e16c130d6521b720edb0881469ea35e58883edfc332c3a1663b987")

    def test_sets(self):
        plain, more = probes.build(1), probes.build(1, BOTH)
        self.assertEqual(digest(plain), "627bf2af7d180e9194fef047767935d219336bb23b93496341034c09b023c21d")
        self.assertEqual({name: more[name] for name in plain}, plain)


class Mixture(unittest.TestCase):
    def test_shares(self):
        self.assertIs(mixture(), MIX)
        for kinds in (("tools",), ("instructions",), BOTH):
            mix = mixture(kinds)
            self.assertAlmostEqual(sum(mix.values()), 1)
            self.assertEqual(set(mix), {*MIX, *kinds})
            self.assertAlmostEqual(mix["fact"] / mix["sum"], MIX["fact"] / MIX["sum"])

    def test_nothing_held_out(self):
        r, mix = random.Random(2), {kind: .5 for kind in BOTH}
        for i in range(3000):
            prompt, answer = line(i / 3000, r, mix)
            self.assertFalse(held_out(prompt), prompt)
            self.assertTrue(answer.startswith(" "), answer)


class Tools(unittest.TestCase):
    def test_what_is_asked_for_is_what_is_called_with(self):
        r = random.Random(3)
        for make in abilities.TOOLS:
            for _ in range(200):
                p = make(r)
                for value in parsed(p.right)[2].values():
                    self.assertIn(str(value), p.fields["ask"])

    def test_mistakes(self):
        """What differs between the right call and the mistaken one, for each tool."""
        def difference(p):
            (name, _, right), (called, _, wrong) = parsed(p.right), parsed(p.mistake)
            if name != called:
                return "another function"
            if len(wrong) < len(right):
                return "an argument is dropped"
            return "swapped" if wrong != right and set(wrong.values()) == set(right.values()) else "none"
        r = random.Random(4)
        for make, want in ((abilities.weather, "an argument is dropped"), (abilities.convert, "swapped"),
                           (abilities.timer, "another function"), (abilities.message, "swapped")):
            self.assertEqual({difference(make(r)) for _ in range(100)}, {want}, make.__name__)

    def test_other_notation_is_the_same_call(self):
        r = random.Random(5)
        for _ in range(200):
            p = abilities.tool(r)
            right, other = parsed(p.right), parsed(p.other)
            self.assertEqual((right[0], list(right[2].values())), (other[0], other[1]))


class Instructions(unittest.TestCase):
    def test_numbers_in_words(self):
        self.assertEqual([abilities.in_words(n) for n in (0, 7, 13, 20, 21, 40, 99)],
                         ["zero", "seven", "thirteen", "twenty", "twenty-one", "forty", "ninety-nine"])
        self.assertEqual(len({abilities.in_words(n) for n in range(100)}), 100)

    def test_answers(self):
        r = random.Random(6)
        for _ in range(300):
            how, ask, right, plain = abilities.words(r)
            self.assertEqual((how, right), ("in words", abilities.in_words(int(plain))))
            self.assertEqual(eval(ask.rstrip(" =")), int(plain))
            how, ask, right, plain = abilities.twice(r)
            self.assertEqual(right, f"{plain}, {plain}")
            how, ask, right, plain = abilities.python(r)
            self.assertEqual(right.replace("*", ""), plain.replace("^", ""))

    def test_the_question_alone_is_in_the_corpus_too(self):
        """So the mistake, to ignore the instruction, is what the model says anyway."""
        def form(ask):
            return re.sub(r"\d+", "9", ask)[:8]
        r = random.Random(7)
        asked = {form(line(0, r).prompt) for _ in range(5000)}
        for _ in range(200):
            ask = abilities.instruction(r).fields["ask"]
            self.assertTrue(form(ask) in asked, ask)


class Sets(unittest.TestCase):
    def setUp(self):
        self.sets = probes.build(1, BOTH)

    def test_sizes(self):
        for kind, sources in (("tools", 5), ("instructions", 4)):
            for name, size in probes.COMPUTABLE.items():
                made = self.sets[f"{kind}_{name}"]
                self.assertEqual(len(made), size)
                self.assertEqual(len({p["name"].split("_")[-2] for p in made}), sources)
                self.assertEqual(Counter(p["category"] for p in made), {kind: size})

    def test_a_grader_tells_right_from_wrong(self):
        for name, entries in self.sets.items():
            if name.startswith(BOTH):
                for p in entries:
                    right, wrong = (canonical(p[f]).lower() for f in ("correct", "wrong"))
                    self.assertNotEqual(right, wrong)
                    self.assertFalse(wrong.startswith(right), p)


if __name__ == "__main__":
    unittest.main()
