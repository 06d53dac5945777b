"""Polynomials and exponentials as text.

A polynomial is a list of (coefficient, power), the highest power first. The
convention is that of a textbook, 3x^2; with `python` it is 3*x**2.
"""
import re


def canonical(answer):
    """What is left of an answer when it is graded: spacing, brackets and * do not count."""
    return re.sub(r"[\s*()]", "", answer)


def term(a, n, v="x", python=False):
    if n == 0:
        return str(a)
    head = "" if a == 1 else "-" if a == -1 else f"{a}*" if python else str(a)
    return head + (v if n == 1 else f"{v}**{n}" if python else f"{v}^{n}")


def poly(terms, v="x", python=False):
    return " + ".join(term(a, n, v, python) for a, n in terms)


def derivative(terms):
    return [(a * n, n - 1) for a, n in terms if n > 0]


def exponential(a, b, v, call=False):
    """a e^(b v); with `call` it is written a exp(b v)."""
    inner = v if b == 1 else f"-{v}" if b == -1 else f"{b}{v}"
    head = "" if a == 1 else "-" if a == -1 else str(a)
    if call:
        return f"{head}exp({inner})"
    return f"{head}e^{inner}" if b == 1 else f"{head}e^({inner})"


def quotient(a, n, v, d, fraction=False):
    """a v^n / d, reduced only where d divides a; with `fraction`, (a/d)v^n."""
    if a % d == 0:
        return term(a // d, n, v)
    return f"({a}/{d}){term(1, n, v)}" if fraction else f"{term(a, n, v)}/{d}"


HALVES = {0: "0", 30: "1/2", 45: "sqrt(2)/2", 60: "sqrt(3)/2", 90: "1"}
TANGENTS = {0: "0", 30: "sqrt(3)/3", 45: "1", 60: "sqrt(3)",
            120: "-sqrt(3)", 135: "-1", 150: "-sqrt(3)/3"}


def sine(degrees):
    degrees %= 360
    sign, half = ("-" if degrees > 180 else ""), degrees % 180
    value = HALVES[min(half, 180 - half)]
    return value if value == "0" else sign + value


def cosine(degrees):
    return sine(degrees + 90)


def tangent(degrees):
    """None where it has no value."""
    return TANGENTS.get(degrees % 180)


def radians(degrees):
    """A multiple of 30 or 45 degrees as a multiple of pi."""
    if degrees == 0:
        return "0"
    top, bottom = abs(degrees), 180
    for d in (2, 2, 3, 3, 5):
        if top % d == 0 and bottom % d == 0:
            top, bottom = top // d, bottom // d
    head = "pi" if top == 1 else f"{top}*pi"
    return ("-" if degrees < 0 else "") + head + ("" if bottom == 1 else f"/{bottom}")
