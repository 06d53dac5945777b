"""Facts: groups of a prompt and its answers. Within a group another answer is wrong."""

CAPITALS = """France Paris|Japan Tokyo|Italy Rome|Spain Madrid|Germany Berlin|Greece Athens
Egypt Cairo|Russia Moscow|China Beijing|Peru Lima|Cuba Havana|Norway Oslo|Sweden Stockholm
Poland Warsaw|Austria Vienna|Ireland Dublin|Portugal Lisbon|Kenya Nairobi|Canada Ottawa
Finland Helsinki|Denmark Copenhagen|Hungary Budapest|Turkey Ankara|Iran Tehran|Iraq Baghdad
India Delhi|Nepal Kathmandu|Thailand Bangkok|Chile Santiago|Ghana Accra|Morocco Rabat
Belgium Brussels|Bulgaria Sofia|Romania Bucharest|Croatia Zagreb|Iceland Reykjavik"""

COLORS = """the sky blue|grass green|snow white|coal black|blood red|a lemon yellow
an orange orange|a flamingo pink|chocolate brown|an elephant gray"""

OPPOSITES = """hot cold|big small|day night|up down|old new|open closed|fast slow|rich poor
high low|wet dry|hard soft|early late|full empty|strong weak|left right|love hate
north south|light dark|true false|first last|buy sell|win lose"""

BABIES = "dog puppy|cat kitten|cow calf|sheep lamb|horse foal|bear cub|goose gosling|goat kid"

FORMULAS = """water H2O|salt NaCl|methane CH4|ammonia NH3|carbon dioxide CO2|ozone O3
hydrogen peroxide H2O2|rust Fe2O3"""

SYMBOLS = "gold Au|silver Ag|iron Fe|lead Pb|copper Cu|sodium Na|tin Sn|helium He|carbon C"

PLURALS = "mouse mice|foot feet|tooth teeth|goose geese|man men|child children|leaf leaves|ox oxen"

PASTS = "go went|see saw|take took|write wrote|sing sang|eat ate|run ran|buy bought|think thought"

OTHERS = [
    ("Einstein is famous for the theory of", "relativity"),
    ("Darwin is famous for the theory of", "evolution"),
    ("The largest planet is", "Jupiter"),
    ("The planet closest to the sun is", "Mercury"),
    ("The planet with the brightest rings is", "Saturn"),
    ("The number of days in a week is", "7"),
    ("The number of months in a year is", "12"),
    ("The number of sides of a triangle is", "3"),
    ("The number of legs of a spider is", "8"),
    ("The number of minutes in an hour is", "60"),
    ("Bees make", "honey"),
    ("Cows give", "milk"),
    ("Hens lay", "eggs"),
    ("Water freezes at", "0 degrees"),
    ("Water boils at", "100 degrees"),
    ("In Python, a function starts with", "def"),
    ("In Python, a loop starts with", "for"),
    ("Hamlet was written by", "Shakespeare"),
    ("The law of gravity was found by", "Newton"),
    ("The longest river of Africa is the", "Nile"),
    ("The highest mountain is Mount", "Everest"),
    ("The largest ocean is the", "Pacific"),
    ("The month after March is", "April"),
    ("The day after Monday is", "Tuesday"),
]


def _group(template, pairs):
    """The last word of a pair is the answer."""
    split = (pair.rsplit(" ", 1) for line in pairs.splitlines() for pair in line.split("|"))
    return [(template.format(key), answer) for key, answer in split]


GROUPS = [
    _group("The capital of {} is", CAPITALS),
    _group("The color of {} is", COLORS),
    _group("The opposite of {} is", OPPOSITES),
    _group("A baby {} is called a", BABIES),
    _group("The chemical formula for {} is", FORMULAS),
    _group("The chemical symbol for {} is", SYMBOLS),
    _group("The plural of {} is", PLURALS),
    _group("The past tense of {} is", PASTS),
    _group("The square root of {} is", "|".join(f"{n * n} {n}" for n in range(2, 16))),
    OTHERS,
]
FACTS = [fact for group in GROUPS for fact in group]
