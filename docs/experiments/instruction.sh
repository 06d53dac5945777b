#!/bin/sh
# Makes the probe sets of "An instruction that the model ignores" in the folder $1, from
# the templates in data/templates. Needs bankai in the PATH, and jq.
set -eu
cd "$(dirname "$0")"
sets=$1

# The templates of plain questions ask for an answer in Python; here they are answered as
# in a textbook, which is what must stay.
textbook() { jq '[.[] | {name, category, prompt, correct: .wrong, wrong: .correct}]' "$1"; }

mkdir -p "$sets"
for name in instruction plain; do
	bankai probes expand data/templates/$name.json -n 760 -q -o "$sets/$name-all.json"
	bankai probes expand data/templates/$name-new.json -n 300 -q -o "$sets/$name-new.json"
done
textbook "$sets/plain-all.json" >"$sets/textbook-all.json"
bankai probes split "$sets/instruction-all.json" -q -o "$sets" --search 300 --validate 150 --heldout 300 \
	--controls-from "$sets/textbook-all.json" --controls 100 --controls-heldout 200

# What a search watches: a hundred plain questions, and facts and sums.
jq -s add "$sets/control.json" ../../models/demo/control.json >"$sets/controls.json"

# What it does not see: the same forms, three forms left out, and the same without the
# instruction; and the instruction in other words.
jq -s add "$sets/heldout.json" "$sets/instruction-new.json" >"$sets/asked.json"
textbook "$sets/plain-new.json" | jq -s add "$sets/control_heldout.json" - >"$sets/unasked.json"
jq '[.[] | .prompt |= sub("^In Python, "; "Python: ")]' "$sets/asked.json" >"$sets/reworded.json"
