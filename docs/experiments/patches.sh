#!/bin/sh
# Finds the patches that the experiments compare. Needs bankai in the PATH; takes
# about ten minutes on two cores. The patches have the same bits on any machine.
set -eu
cd "$(dirname "$0")"
export SOURCE_DATE_EPOCH=1767225600

find() { # NAME FLAGS...
	out=patches/$1.bankai
	shift
	[ -e "$out" ] || bankai search -o "$out" "$@"
}
guided="--controls demo:control --control-text demo:control_text --kl 1 --steps 100000 --max-cost 120"
published="--strategy greedy --metric seq_logprob --controls demo:control_few --steps 300"

# What this project does: rows, groups, bits, and bits that are careful.
find rows --probes demo:search $guided
find groups --probes demo:search --granularity group $guided
find bits --probes demo:search --granularity bit $guided
find careful --probes demo:search --granularity bit --proj gate,up --slack 0.2 $guided --max-cost 40

# Less to learn from.
find rows-120 --probes demo:search_few $guided
find rows-6 --probes data/six.jsonl $guided

# As published: greedy, by the difference of right and wrong, 5 controls; two seeds.
find published-120 --probes demo:search_few $published
find published-120-2 --probes demo:search_few $published --seed 2
find published-6 --probes data/six.jsonl $published

# One domain each, to be stacked.
find derivatives --probes 'demo:search#poly_deriv+second_deriv+exp_deriv' $guided
find integrals --probes 'demo:search#integral' $guided

# With 45 sums more among the controls, which were 45 facts and 5 sums; and held
# four times as tight.
{ jq -c ".[]" ../../models/demo/control.json; cat data/sums-control.jsonl; } >controls.jsonl
find rows-sums --probes demo:search $guided --controls controls.jsonl
find rows-held --probes demo:search $guided --controls controls.jsonl --slack 0.25
rm controls.jsonl

# An instruction that the model ignores: with its own probes, and a guard text of lines
# such as the model itself writes.
sets=instruction-sets
[ -e patches/instruction.bankai ] || ./instruction.sh $sets
find instruction --probes $sets/search.json --controls $sets/controls.json --control-text data/guard.txt --kl 3 \
	--granularity row,group,bit --steps 100000 --max-cost 120 --max-bytes 4096
rm -rf $sets
# What each amount of work gives, with the controls that LoRA has, and with the guard of
# a search without any: half an hour each on two cores.
for cost in 60 120 400 700; do
	find cost-$cost --probes demo:search --granularity row,group,bit --controls demo:control \
		--control-text demo:control_text --kl 1 --steps 1000000 --max-bytes 4096 --max-cost $cost
done
for cost in 60 120 400; do
	find guard-$cost --probes demo:search --granularity row,group,bit --steps 1000000 --max-bytes 4096 --max-cost $cost
done
