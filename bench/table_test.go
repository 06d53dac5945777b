package main

import (
	"strings"
	"testing"
)

// example has the figures of two rounds, of which the medians are easy to see.
func example() *report {
	const avx512, avx2 = "bankai, avx512", "bankai, avx2"
	best := limits{PP: 330, TG: 136, GMACs: 464, Bandwidth: 33}
	return &report{CPU: "Some CPU", Threads: 2, Peer: peerVersion, Models: []result{
		{
			Model: "1.7B", FileBytes: 200e6,
			Runs: []run{
				{Engine: peerName, PP: 40, TG: 22, Load: 0.5, RSS: 500e6},
				{Engine: avx512, PP: 200, TG: 80, Load: 0.2, RSS: 260e6, Limits: best},
				{Engine: avx2, PP: 100, TG: 40, Load: 0.25, Limits: limits{PP: 200, TG: 130}},
				{Engine: peerName, PP: 42, TG: 18, Load: 0.3, RSS: 500e6},
				{Engine: avx512, PP: 210, TG: 76, Load: 0.3, RSS: 260e6, Limits: best},
				{Engine: avx2, PP: 90, TG: 44, Load: 0.25, Limits: limits{PP: 200, TG: 130}},
			},
			Long: run{Engine: avx512, PP: 180, TG: 62.4},
		},
		{
			Model: "8B", FileBytes: 1e9,
			Runs: []run{{Engine: avx512, PP: 41.5, TG: 13.7, Load: 1.2, RSS: 1.25e9, Limits: limits{TG: 31, Bandwidth: 33}}},
			Long: run{Engine: avx512, PP: 40, TG: 13.7},
		},
	}}
}

// exampleSearch has two layers of candidates.
func exampleSearch() *searched {
	return &searched{Pass: 10, Gradient: 28, Steps: []step{{Layer: 1, Cost: 0.95, Seconds: 9}, {Layer: 26, Cost: 0.09, Seconds: 1}}}
}

func TestTable(t *testing.T) {
	const want = `| tokens/s, against llama.cpp, of the limit | 1.7B shape | 8B shape |
|---|---|---|
| prompt of 128 tokens: limit of the machine | 330 (464 GMAC/s) | unknown |
| prompt of 128 tokens: llama.cpp | 41.0, 12 % |  |
| prompt of 128 tokens: bankai, avx512 | 205, 5.0×, 62 % | 41.5 |
| prompt of 128 tokens: bankai, avx2 | 95.0, 2.3×, 29 % |  |
| generation of 32: limit of the machine | 136 (33.0 GB/s) | 31.0 (33.0 GB/s) |
| generation of 32: llama.cpp | 20.0, 15 % |  |
| generation of 32: bankai, avx512 | 78.0, 3.9×, 57 % | 13.7, 44 % |
| generation of 32: bankai, avx2 | 42.0, 2.1×, 31 % |  |
| bankai: generation at 2048 tokens of context, share of that at 128 | 80 % | 100 % |
| search: pass over 60 probes and 20 controls | 10.0 s |  |
| search: candidate in the lowest layer | 9.00 s (layer 1), 90 %, 0.950 FPE |  |
| search: candidate in the last layer but one | 1.00 s (layer 26), 10 %, 0.090 FPE |  |
| search: mean of all published layers | 5.00 s, 50 %, 0.520 FPE |  |
| search: gradient, forward and backward | 28.0 s, 2.80 passes |  |
| llama.cpp: load, most resident memory | 0.40 s, 2.50× the file |  |
| bankai, avx512: load, most resident memory | 0.25 s, 1.30× the file | 1.20 s, 1.25× the file |
| bankai, avx2: load, most resident memory | 0.25 s |  |

Some CPU, 2 threads; llama.cpp: node-llama-cpp 3.22.1
`
	r := example()
	r.Models[0].Long.Search.Measured = exampleSearch()
	if got := r.table(); got != want {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
}

// Without the long context and the search, their cells are empty.
func TestTableShort(t *testing.T) {
	r := example()
	r.Models = r.Models[:1]
	r.Models[0].Long = run{}
	for _, want := range []string{
		"| prompt of 128 tokens: limit of the machine | 330 (464 GMAC/s) |\n",
		"| bankai: generation at 2048 tokens of context, share of that at 128 |  |\n",
		"| search: pass over 60 probes and 20 controls |  |\n",
	} {
		if got := r.table(); !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// Why llama.cpp is missing stands in one line, whatever npm has to say.
func TestTableWithoutPeer(t *testing.T) {
	r := example()
	r.Models = r.Models[1:]
	r.Peer = "left out: npm install: exit status 1\nnpm error code ENOTFOUND\n"
	if got := r.table(); !strings.HasSuffix(got, "\nSome CPU, 2 threads; llama.cpp: left out: npm install: exit status 1\n") || strings.Contains(got, "×,") {
		t.Errorf("table:\n%s", got)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0.123: "0.12", 6.1: "6.10", 10: "10.0", 41.04: "41.0", 100: "100", 473.4: "473", 1234.5: "1234"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}
