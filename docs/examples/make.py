"""Makes the example files beside it, from templates.json and a few words.

    bankai probes expand docs/examples/templates.json -n 1600 -o /tmp/problems.json
    python3 docs/examples/make.py /tmp/problems.json

No prompt of theirs is in a set of the built-in model.
"""
import csv
import json
import pathlib
import random
import sys

here = pathlib.Path(__file__).parent
demo = here.parent.parent / "models" / "demo"


def plain(text):
    return "".join(text.lower().split())


def problems(path):
    """By category, without those that the built-in sets have."""
    known = {plain(p["prompt"]) for f in demo.glob("*.json") for p in json.loads(f.read_text())}
    out = {}
    for p in json.loads(pathlib.Path(path).read_text()):
        if plain(p["prompt"]) not in known:
            out.setdefault(p["category"], []).append(p)
    for found in out.values():
        random.Random(1).shuffle(found)
    return out


def write(name, objects):
    with open(here / name, "w") as f:
        for o in objects:
            f.write(json.dumps(o, ensure_ascii=False) + "\n")


def sentences(n, rng):
    people = "baker judge singer captain teacher stranger doctor painter".split()
    things = "bread boat lamp clock mirror basket letter drum".split()
    acts = [("paint", "painted"), ("want", "wanted"), ("follow", "followed"), ("help", "helped"), ("need", "needed"), ("like", "liked")]
    moods = "old happy clever quiet proud lazy brave tired".split()
    made = {}
    while len(made) < n:
        a, b = rng.sample(people, 2) if rng.random() < 0.3 else (rng.choice(people), rng.choice(things))
        now, past = rng.choice(acts)
        m = rng.choice(moods)
        if len(made) % 2:
            made[f"Does the {m} {a} {now} the {b}?"] = "question"
        else:
            made[f"The {m} {a} {past} the {b}."] = "statement"
    return made


def main():
    p = problems(sys.argv[1])
    write("derivatives.jsonl", ({"prompt": x["prompt"], "completion": x["correct"], "category": x["category"]}
                                for x in p["derivative"][:150] + p["second"][:150]))
    write("notation.jsonl", ({"messages": [{"role": "user", "content": x["prompt"]},
                                           {"role": "assistant", "content": x["alternates"][0].strip()}]}
                             for x in p["bracket"][:200]))
    write("preferences.jsonl", ({"prompt": x["prompt"], "chosen": x["correct"], "rejected": x["wrong"]}
                                for x in p["find"][:200]))
    with open(here / "sentences.csv", "w", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(["text", "label"])
        w.writerows(sentences(200, random.Random(1)).items())


main()
