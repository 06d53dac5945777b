# Everything here also works without make: each target is one or two commands.

.PHONY: build test lint arm64 cross generate bench microbench fuzz

build: ## one static binary, ./bankai
	CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o bankai ./cmd/bankai

test: ## all tests
	go test ./...

lint: ## format, vet, staticcheck
	@unformatted=$$(go tool gofumpt -l . ); test -z "$$unformatted" || { echo "not gofumpt-ed: $$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...

cross: ## compiles and vets every platform
	@set -e; for os in linux darwin windows; do for arch in amd64 arm64; do \
		echo "vet $$os/$$arch"; GOOS=$$os GOARCH=$$arch CGO_ENABLED=0 go vet ./...; \
		GOOS=$$os GOARCH=$$arch CGO_ENABLED=0 go build -o /dev/null ./cmd/bankai; done; done

arm64: ## the kernels and the same bits on arm64, under emulation (Debian: qemu-user)
	BANKAI_REQUIRE_KERNELS=3 GOARCH=arm64 CGO_ENABLED=0 go test -exec "qemu-aarch64 -cpu max" ./internal/kernel
	BANKAI_REQUIRE_KERNELS=2 GOARCH=arm64 CGO_ENABLED=0 go test -exec "qemu-aarch64 -cpu cortex-a72" ./internal/kernel
	GOARCH=arm64 CGO_ENABLED=0 go test -exec "qemu-aarch64 -cpu max" -run 'TestBits|TestGolden|TestSampler' ./engine

generate: ## writes the assembly and the Unicode tables anew
	go generate ./internal/...

bench: ## against llama.cpp (node), on models of 1.7B and 8B: see go run ./bench -help
	go run ./bench $(BENCH)

microbench: ## kernels, scoring, patching, tokenizer
	go test -run '^$$' -bench . ./internal/kernel ./internal/bpe ./engine ./internal/weights

fuzz: ## every parser, 30 s each
	@set -e; for pkg in . ./internal/gguf ./internal/weights ./internal/bpe ./probe; do \
		for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime 30s $$pkg; done; done
