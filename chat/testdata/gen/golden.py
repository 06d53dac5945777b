#!/usr/bin/env python3
"""Renders cases.json with Jinja2, as Hugging Face's transformers does.

    golden.py NAME=TEMPLATE[,TEMPLATE...] ...

writes ../golden/NAME.json: for each case the rendered text, or null where the template
raises. Several templates of one name must render the same. The texts of published
templates are not in this repository: give them as files. A name that is a file here,
NAME.jinja, needs no TEMPLATE.
"""

import copy
import datetime
import hashlib
import json
import pathlib
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

here = pathlib.Path(__file__).resolve().parent.parent
cases = json.loads((here / "cases.json").read_text())
tools = json.loads((here / "tools.json").read_text())


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def compile(text):
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.datetime.now().strftime(f)
    return env.from_string(text)


def normal(messages):
    """What package chat gives to a template, whatever form a client sends."""
    messages = copy.deepcopy(messages)
    for m in messages:
        if m["role"] == "developer":
            m["role"] = "system"
        c = m.get("content")
        m["content"] = "" if c is None else c if isinstance(c, str) else "\n".join(p["text"] for p in c)
        for call in m.get("tool_calls", []):
            f = call["function"]
            if isinstance(f["arguments"], str):
                try:
                    f["arguments"] = json.loads(f["arguments"])
                except ValueError:
                    pass
    return messages


def render(template, case):
    try:
        return template.render(
            messages=normal(case["messages"]),
            tools=[tools[t] for t in case["tools"]] if case.get("tools") else None,
            documents=None,
            add_generation_prompt=case.get("generate", False),
            **case.get("kwargs", {}))
    except (jinja2.exceptions.TemplateError, TypeError):
        return None


def main():
    for arg in sys.argv[1:]:
        name, _, paths = arg.partition("=")
        texts = [pathlib.Path(p).read_text() for p in paths.split(",")] if paths else [(here / (name + ".jinja")).read_text()]
        out = {"sha256": [hashlib.sha256(t.encode()).hexdigest() for t in texts], "prompts": {}}
        compiled = [compile(t) for t in texts]
        for case in cases:
            got = [render(t, case) for t in compiled]
            if any(g != got[0] for g in got):
                sys.exit(f"{name}: {case['name']}: the templates differ: {got}")
            out["prompts"][case["name"]] = got[0]
        (here / "golden" / (name + ".json")).write_text(json.dumps(out, ensure_ascii=False, indent=1) + "\n")


main()
