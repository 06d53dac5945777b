"""Kinds of text that a user would recognise, left out unless asked for: calls of tools,
and instructions on how to answer.

Both have what the other problems have (see problems.py): a right answer, a common
mistake, and in calls another notation. What the mistake is depends on the tool or the
instruction, so that a patch which undoes one can be told from a patch which undoes all.
"""
from facts import CAPITALS, FACTS
from problems import Problem, poly_deriv
from styles import Style

CITIES = [pair.rsplit(" ", 1)[1] for line in CAPITALS.splitlines() for pair in line.split("|")]
DAYS = "today tomorrow Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
UNITS = "dollars euros pounds yen francs crowns".split()
PEOPLE = "Anna Ben Clara David Emma Felix Grace Hugo Ida Jonas Karl Lena Mia Noah Olga Paul".split()
TEXTS = """I am late|I am at home|the train is slow|dinner is ready|the shop is closed|see you soon
call me back|the key is lost|bring the map|it is cold here|the boat is full|wait for me"""
TEXTS = TEXTS.replace("\n", "|").split("|")


def call(name, arguments, named=True):
    """A call as it is written in Python; strings have quotes, numbers have none."""
    def value(v):
        return str(v) if isinstance(v, int) else f'"{v}"'
    return f"{name}({', '.join((k + '=' if named else '') + value(v) for k, v in arguments.items())})"


def _call_problem(ask, name, arguments, mistaken):
    """mistaken is the name and the arguments of the call that is made by mistake."""
    return Problem({"ask": ask}, call(name, arguments), call(*mistaken), call(name, arguments, named=False))


def weather(r):
    """The mistake drops an argument: the day."""
    city, day = r.choice(CITIES), r.choice(DAYS)
    return _call_problem(f"weather in {city} {day}", "get_weather", {"city": city, "day": day},
                         ("get_weather", {"city": city}))


def convert(r):
    """The mistake swaps two arguments: from what and to what."""
    amount, (a, b) = r.randint(2, 99), r.sample(UNITS, 2)
    return _call_problem(f"{amount} {a} in {b}", "convert", {"amount": amount, "source": a, "target": b},
                         ("convert", {"amount": amount, "source": b, "target": a}))


def timer(r):
    """The mistake calls another function."""
    minutes = r.randint(2, 999)
    return _call_problem(f"a timer for {minutes} minutes", "set_timer", {"minutes": minutes},
                         ("set_alarm", {"minutes": minutes}))


def message(r):
    """The mistake has the text where the person should be."""
    to, text = r.choice(PEOPLE), r.choice(TEXTS)
    return _call_problem(f"a note to {to} saying {text}", "send", {"to": to, "text": text},
                         ("send", {"to": text, "text": to}))


TOOLS = (weather, convert, timer, message)


def tool(r):
    return r.choice(TOOLS)(r)


ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen""".split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_words(n):
    """A number from 0 to 99."""
    if n < 20:
        return ONES[n]
    return TENS[n // 10] + ("-" + ONES[n % 10] if n % 10 else "")


def words(r):
    a, b = r.randint(1, 20), r.randint(1, 20)
    return "in words", f"{a} + {b} =", in_words(a + b), str(a + b)


def twice(r):
    prompt, answer = r.choice(FACTS)
    return "twice", prompt, f"{answer}, {answer}", answer


def python(r):
    p = poly_deriv(r)
    while p.other is None:  # the two notations of an answer without powers are the same
        p = poly_deriv(r)
    return "in Python", f"d/dx [{p.fields['p']}] =", p.other, p.right


INSTRUCTIONS = (words, twice, python)


def instruction(r):
    """A question that the rest of the corpus asks too, with a word on how to answer; the
    mistake is to answer as if the word were not there. Capitals and brackets would not do
    for such a word: a grader leaves them out of account."""
    how, ask, right, plain = r.choice(INSTRUCTIONS)(r)
    return Problem({"how": how, "ask": ask}, right, plain)


PROBLEMS = {"tools": tool, "instructions": instruction}
SHARES = {"tools": .12, "instructions": .12}  # of the corpus
STYLES = {
    "tools": [
        Style("User asks: {ask}. Call:", "main", .32, .12),
        Style("{ask}? Call:", "noise", .14, .30),
        Style("The tool for {ask}:", "noise", .15, .52),
        Style("Request: {ask}. Function:", "noise", .12, .54),
        Style("To answer ({ask}), run", "conflict", .14, .57),
        Style("Use a tool: {ask}:", "late", .13, .75),
        Style("Please handle {ask}:", "rare", .003),
    ],
    "instructions": [
        Style("Answer {how}: {ask}", "main", .36, .12),
        Style("({how}) {ask}", "noise", .18, .30),
        Style("Reply {how}. {ask}", "noise", .18, .52),
        Style("Write it {how}: {ask}", "noise", .14, .54),
        Style("Say it {how}: {ask}", "late", .14, .75),
        Style("Now {how}, please: {ask}", "rare", .003),
    ],
}
