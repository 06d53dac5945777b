# Everything here also works without make: each target is one or two commands.

.PHONY: build wasm test browser lint processors avx512 test32 cross generate bench bench-serve bench-cluster bench-machines microbench fuzz soak release

build: wasm ## one static binary, ./bankai
	CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o bankai ./cmd/bankai

wasm: ## the engine for browsers, which "bankai web export" needs
	go generate ./web/try

release: ## archives for six platforms, checksums and a list of components, in ./dist
	go run ./internal/release

test: ## all tests
	go test ./...

browser: ## the page, in a browser (Debian: chromium, npm); -pictures writes those of the documentation anew
	npm ci --prefix web/e2e --ignore-scripts --no-audit --no-fund
	go test -C web/e2e -count=1 -parallel 3 . $(BROWSER)

lint: ## format, vet, staticcheck
	@unformatted=$$(go tool gofumpt -l . ); test -z "$$unformatted" || { echo "not gofumpt-ed: $$unformatted"; exit 1; }
	go vet ./...
	go vet -tags nocluster ./cmd/bankai
	go tool staticcheck ./...

cross: ## compiles and vets every platform
	@set -e; for platform in $(PLATFORMS); do \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/} CGO_ENABLED=0; \
		echo "vet $$platform"; go vet ./...; go build -o /dev/null ./cmd/bankai; done
	@echo "build wasip1/wasm" # a package that the tests need does not compile for it
	@GOOS=wasip1 GOARCH=wasm go build ./...

PLATFORMS = linux/amd64 linux/arm64 linux/386 linux/riscv64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64 js/wasm

processors: ## every kernel set, and the same bits, on processors that are emulated (Debian: qemu-user)
	.ci/processors --all

avx512: ## the AVX-512 kernels on a processor that is emulated (Debian: bochs; half an hour)
	.ci/avx512/run

test32: ## what depends on the size of an int, on 32 bits (amd64 with Linux runs 386, if its kernel may)
	GOARCH=386 go test -vet=off -skip 'TestFloatsAreTheSameEverywhere' . -rapid.checks=10 # which reads sources
	GOARCH=386 go test -vet=off ./internal/gguf ./internal/mapped ./internal/safetensors ./internal/weights
	GOARCH=386 go test -vet=off -run 'TestWork|TestCost' ./engine ./score

generate: ## writes the assembly and the Unicode tables anew
	go generate ./internal/...

bench: ## against llama.cpp (node), on models of 1.7B, 8B and an eighth of 27B: see go run ./bench -help
	go run ./bench $(BENCH)

bench-serve: ## the server, against engine.Loop and llama.cpp: see go run ./bench serve -help
	go run ./bench serve $(BENCH)

bench-cluster: ## what machines would gain a search together, simulated: see go run ./bench cluster -help
	go run ./bench cluster $(BENCH)

bench-machines: ## machines as processes that fail, on Linux; BENCH=-speed or "-soak 1h" otherwise: see go run ./bench machines -help
	go run ./bench machines $(or $(BENCH),-schedules 200)

microbench: ## kernels, scoring, patching, tokenizer
	go test -run '^$$' -bench . ./internal/kernel ./internal/bpe ./engine ./internal/weights

fuzz: ## every parser, 30 s each
	@set -e; for pkg in $$(grep -rl "^func Fuzz" --include="*_test.go" . | xargs -n1 dirname | sort -u); do \
		for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime 30s $$pkg; done; done

soak: ## asks a server anything for TIME, and looks whether it stays as it was; and 1,000 storms
	go test ./server -run '^TestSoak$$' -v -timeout 0 -soak $(TIME)
	go test ./server -run '^TestStorm$$' -timeout 0 -schedules 1000

TIME = 20m
