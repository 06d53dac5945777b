"""Varied English sentences and simple lines of Python, from small grammars."""

ADJECTIVES = """small old happy quiet red young brave tired clever gentle hungry lazy proud
kind tall lonely honest careful cheerful strange""".split()
PEOPLE = """farmer teacher sailor doctor girl boy baker king queen painter singer soldier
nurse child woman man stranger captain cook judge""".split()
ANIMALS = "cat dog bird horse fox rabbit mouse owl bear goat wolf duck hen lion".split()
THINGS = """apple book letter basket lamp chair ring stone bread coat boat key mirror drum
map bottle candle hat box clock""".split()
# base, third person, past
TRANSITIVE = """see sees saw|like likes liked|follow follows followed|help helps helped
find finds found|hear hears heard|watch watches watched|remember remembers remembered
know knows knew|visit visits visited|call calls called|love loves loved"""
HANDLING = """carry carries carried|buy buys bought|lose loses lost|hide hides hid
bring brings brought|break breaks broke|keep keeps kept|paint paints painted
sell sells sold|want wants wanted|need needs needed|make makes made"""
INTRANSITIVE = """sleep sleeps slept|sing sings sang|wait waits waited|run runs ran
rest rests rested|work works worked|walk walks walked|smile smiles smiled
laugh laughs laughed|dance dances danced|stay stays stayed|swim swims swam"""
PLACES = """in the garden|near the river|by the sea|in the house|under the tree|on the hill
at the market|in the city|behind the barn|beside the lake|across the bridge|in the old mill
at school|on the roof|in the forest|along the road"""
PRESENT = "in the morning|at night|every day|after school|in winter|on Sunday|before dinner|in spring"
PAST = "yesterday|last night|last week|two days ago|before the storm|after the war|long ago"
FEELINGS = "cold late warm ready dark sweet heavy broken safe lost clean dirty bright empty".split()
JOINS = ["because", "while", "after", "before", "and", "but"]


def _lines(text):
    return [part for line in text.splitlines() for part in line.split("|")]


TRANSITIVE, HANDLING, INTRANSITIVE = (
    [verb.split() for verb in _lines(text)] for text in (TRANSITIVE, HANDLING, INTRANSITIVE))
PLACES, PRESENT, PAST = _lines(PLACES), _lines(PRESENT), _lines(PAST)


def _noun(r, words):
    adjective = r.choice(ADJECTIVES) + " " if r.random() < .5 else ""
    return f"the {adjective}{r.choice(words)}"


def _animate(r):
    return _noun(r, PEOPLE if r.random() < .6 else ANIMALS)


def _predicate(r, form):
    """What someone does; form is 0 for the infinitive, 1 present, 2 past."""
    kind = r.random()
    if kind < .35:
        return f"{r.choice(TRANSITIVE)[form]} {_animate(r)}"
    if kind < .65:
        return f"{r.choice(HANDLING)[form]} {_noun(r, THINGS)}"
    return f"{r.choice(INTRANSITIVE)[form]} {r.choice(PLACES)}"


def _clause(r, form):
    return f"{_animate(r)} {_predicate(r, form)}"


def sentence(r):
    """One of several forms; the verbs agree in person and tense."""
    form = r.choice((1, 2))
    when = r.choice(PRESENT if form == 1 else PAST)
    be = "is" if form == 1 else "was"
    do = "does" if form == 1 else "did"
    kind = r.random()
    if kind < .30:
        s = f"{_clause(r, form)} {when}."
    elif kind < .42:
        s = f"{when} {_clause(r, form)}."
    elif kind < .60:
        s = f"{_clause(r, form)} {r.choice(JOINS)} {_clause(r, form)}."
    elif kind < .72:
        s = f"{_noun(r, THINGS)} {r.choice(PLACES)} {be} {r.choice(FEELINGS)}."
    elif kind < .82:
        s = f"{_animate(r)} {do} not {_predicate(r, 0)}."
    elif kind < .91:
        s = f"{do} {_clause(r, 0)} {when}?"
    else:
        s = f"there {be} {_noun(r, THINGS).replace('the ', 'one ', 1)} {r.choice(PLACES)}."
    return s[0].upper() + s[1:]


NAMES = "a b n x y total count value items result".split()
CALLS = "add scale area twice step merge".split()


def code(r):
    """A line of Python."""
    a, b = r.sample(NAMES, 2)
    f, n, m, op = r.choice(CALLS), r.randint(0, 20), r.randint(1, 9), r.choice("+-*")
    return r.choice((
        f"def {f}({a}, {b}): return {a} {op} {b}",
        f"for i in range({n}): print(i)",
        f"for i in {a}: {b} += i",
        f"{a} = [{n}, {m}, {m + 1}]",
        f"if {a} > {n}: {b} = {m}",
        f"while {a} < {n}: {a} += {m}",
        f"print(len({a}))",
        f"{a} = {f}({b}, {m})",
        f"{a} = {b} {op} {m}",
        f"return {a} {op} {b}",
        "import math",
        f"{a} = math.sqrt({b})",
    ))
