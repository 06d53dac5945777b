#!/bin/sh
# Makes every figure and picture in this folder. Needs bankai in the PATH, and jq;
# takes about half an hour on two cores, most of it in `ablate` and `lora`.
# What is there already is not made again. Only times differ from run to run.
set -eu
cd "$(dirname "$0")"
./patches.sh
run() { # FOLDER EXPERIMENT FLAGS...
	out=$1
	shift
	[ -e "$out/$1.json" ] || bankai experiment "$@" -o "$out"
}
on() { # NAMES...
	for name; do printf -- '--patch patches/%s.bankai ' "$name"; done
}

run robustness robustness
run robustness-rows robustness --where mlp --granularity row --scale any --flips 22784
run layers layers
run layers-token-gap layers --metric token_gap
run scale scale
run variations variations $(on rows) --search demo:search
run variations-6 variations $(on rows-6) --search data/six.jsonl
run variations-published variations $(on published-120-2) --search demo:search_few
run variations-published-6 variations $(on published-6) --search data/six.jsonl
run stack stack $(on derivatives integrals)
run compare compare $(on rows rows-sums rows-held groups bits careful rows-120 rows-6 published-120 published-120-2 published-6)
for name in rows groups bits; do
	for window in 64 128 256; do
		run perplexity-$name-$window perplexity --text demo:text --window $window $(on $name)
	done
done
for name in rows groups bits rows-sums rows-held; do
	run gsm8k-$name gsm8k --n 0 $(on $name)
done
run gsm8k-words gsm8k --file demo:words $(on rows)
run choice choice $(on rows)

# Is an answer right in another notation? The held-out probes of the kind
# "conflict" have the right answer in another notation as their wrong one.
jq -c '.[] | if (.name | test("_conflict_")) then .alternates = [.wrong] | .wrong = " ?" else . end' \
	../../models/demo/heldout.json | jq -s . >either.json
run rescore rescore compare/compare.json --probes either.json
rm either.json

run ablate ablate --seeds 5 --vary probes,strategy,granularity,proj,layers,metric
run ablate-published ablate --controls demo:control_few --strategy greedy --metric seq_logprob --vary probes --seeds 5 --max-cost 200 --steps 300
run lora lora $(on rows groups bits careful) --also data/sums-control.jsonl
run lora-one lora --proj down --layers 4 --ranks 1 --rounds 0 $(on rows) --also data/sums-control.jsonl

# An instruction that the model ignores: asked with it, in other words, without it, and
# what else changes.
sets=instruction-sets
[ -e instruction-sums ] || ./instruction.sh $sets
run instruction variations $(on instruction) --search $sets/search.json --probes $sets/asked.json
run instruction-reworded variations $(on instruction) --probes $sets/reworded.json
run instruction-unasked variations $(on instruction) --probes $sets/unasked.json
run instruction-demo variations $(on instruction)
run instruction-sums gsm8k --n 0 $(on instruction)
rm -rf $sets

# LoRA, and LoRA of signs, by the ruler of the patches: an hour and a half on two
# cores, most of it in `lora-cost` and `lora-guard`. Every adapter is trained once, and
# measured on its way.
ruler="--also demo:control --also demo:control_heldout --also data/sums-control.jsonl --problems demo:sums --windows 64,256"
run lora lora $(on rows groups bits careful) --ranks 1,4 --sign-ranks 1,2,4 $ruler
run lora-cost lora $(on cost-60 cost-120 cost-400 cost-700) --patch-costs 60,120,400,700 \
	--costs 60,120,400,700 --ranks 1 --sign-ranks 1 --rounds 0 $ruler
run lora-guard lora $(on guard-60 guard-120 guard-400) --patch-costs 60,120,400 \
	--guard --kl 1,3,10 --costs 60,120,400 --ranks 1 --sign-ranks 1 --rounds 0 $ruler
run lora-one lora --proj down --layers 4 --ranks 1 --sign-ranks 1 --rounds 0 $(on rows) --also data/sums-control.jsonl
