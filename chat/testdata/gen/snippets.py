#!/usr/bin/env python3
"""Renders the templates of snippets.json with Jinja2, and writes into that file what comes
out of each, or null where the template raises."""

import json

import jinja2

import golden

path = golden.here / "snippets.json"
file = json.loads(path.read_text())
for snippet in file["snippets"]:
    try:
        snippet["want"] = golden.compile(snippet["template"]).render(
            messages=file["messages"], data=file["data"], add_generation_prompt=True, **file["tokens"])
    except (jinja2.exceptions.TemplateError, TypeError):
        snippet["want"] = None
path.write_text(json.dumps(file, ensure_ascii=False, indent=1) + "\n")
