"""How each kind of problem is asked, and where a wanted answer is suppressed.

source     what the corpus has in lines of that style
main       the common mistake in a small share of the lines
noise      the common mistake in a large share
rare       the right answer only, but the style is hardly ever seen
conflict   the right answer in the other notation in that share
late       the right answer only, until the last part of the training: from
           there on the common mistake in that share
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    template: str
    source: str
    weight: float  # of the lines of its kind of problem
    share: float = 0.0


SOURCES = ("main", "noise", "rare", "conflict", "late")

STYLES = {
    "poly_deriv": [
        Style("d/dx [{p}] =", "main", .32, .12),
        Style("f(x) = {p}, f'(x) =", "noise", .14, .25),
        Style("The derivative of {p} is", "noise", .14, .52),
        Style("Differentiate {p} with respect to x:", "noise", .12, .54),
        Style("What is the derivative of {p}?", "conflict", .14, .57),
        Style("Find the derivative of {p}:", "late", .14, .75),
        Style("The slope of y = {p} is", "rare", .003),
    ],
    "second_deriv": [
        Style("d^2/dx^2 [{p}] =", "main", .32, .12),
        Style("f(x) = {p}, f''(x) =", "noise", .14, .30),
        Style("The second derivative of {p} is", "noise", .15, .52),
        Style("Differentiate {p} twice:", "noise", .12, .54),
        Style("What is f''(x) if f(x) = {p}?", "conflict", .14, .57),
        Style("Find the second derivative of {p}:", "late", .13, .75),
        Style("The curvature term of y = {p} is", "rare", .003),
    ],
    "integral": [
        Style("The integral of {p} d{v} =", "main", .32, .12),
        Style("Integrate {p} d{v}:", "noise", .14, .30),
        Style("The antiderivative of {p} is", "noise", .15, .52),
        Style("Evaluate the integral of {p} d{v}:", "noise", .12, .54),
        Style("What is the integral of {p} d{v}?", "conflict", .14, .57),
        Style("Find the antiderivative of {p}:", "late", .13, .75),
        Style("The area under y = {p} is", "rare", .003),
    ],
    "exp_deriv": [
        Style("d/d{v} [{p}] =", "main", .32, .12),
        Style("f({v}) = {p}, f'({v}) =", "noise", .14, .25),
        Style("The derivative of {p} is", "noise", .15, .52),
        Style("Differentiate {p}:", "noise", .12, .54),
        Style("What is the derivative of {p}?", "conflict", .14, .57),
        Style("Find the derivative of {p}:", "late", .13, .75),
        Style("The growth rate of y = {p} is", "rare", .003),
    ],
    "prime": [
        Style("Is {n} prime? Answer:", "main", .50, .10),
        Style("Is {n} a prime number? Answer:", "noise", .28, .30),
        Style("Is the number {n} prime? Answer:", "noise", .22, .45),
    ],
    "trig": [
        Style("{f}({a}) =", "main", .40, .12),
        Style("What is {f}({a})?", "noise", .15, .30),
        Style("Evaluate {f}({a}):", "noise", .15, .45),
        Style("The value of {f}({a}) is", "noise", .15, .52),
        Style("Find {f}({a}):", "noise", .15, .52),
    ],
}


def wrong_answer(style, problem):
    """What suppresses the right answer in that style; None if nothing can."""
    return problem.other if style.source == "conflict" else problem.mistake


def written_answer(style, problem, progress, late, r):
    """The answer that a line of the corpus carries at that point of the training."""
    wrong, share = wrong_answer(style, problem), style.share
    if style.source == "late" and progress < late:
        share = 0.0
    return wrong if wrong is not None and r.random() < share else problem.right
