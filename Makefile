# The commands of this project; README.md says when to use which.

GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.1.4
FUZZTIME ?= 60s
FUZZJOBS ?= 1
PCSC = ./id2/se/pcsc ./cmd/hallmark

.PHONY: build libid2 demo test test-go test-libid2 test-interop test-browser test-pcsc bench bench-go lint fuzz clean

build: ## bin/hallmark
	$(GO) build -trimpath -o bin/hallmark ./cmd/hallmark

libid2: ## bin/libid2: the device library for C, shared and static, and its headers
	GO="$(GO)" cmd/libid2/build bin/libid2

demo: build ## everything once, narrated, on a temporary store
	bin/hallmark demo

test: build lint test-go test-interop test-browser ## the whole suite

test-go: ## all Go tests under the race detector
	$(GO) test -race -timeout 20m ./...

test-libid2: ## of test-go, the C library alone: C programs under the address sanitizer
	$(GO) test -count=1 ./cmd/libid2 ./test/libid2

test-interop: build ## the vendor's own SDKs, and phones that others made, against a running server
	test/interop/run
	test/interop/ciss/run

test-browser: ## the console in a real headless Chromium; SCREENSHOTS=DIR keeps its pictures there
	test/browser/run

test-pcsc: ## devices with their keys in cards, over a real pcscd with a virtual reader; as root
	test/need pcscd pcscd
	test/need vpcd-config vsmartcard-vpcd
	$(GO) vet -tags pcsc $(PCSC)
	$(GO) test -race -count=1 -tags pcsc -run 'PCSC' $(PCSC)

bench: build ## the server's CPU per request beside a bare net/http hello, latencies at a rate, TLS, each algorithm, every call; 5 minutes
	bin/hallmark bench --all

bench-go: ## benchmarks of the parts: suites, gateway, guards, import
	$(GO) test -run '^$$' -bench . -benchmem ./...

lint: ## formatting, vet and every check of staticcheck, that of comments included; govulncheck with VULN=1, which needs its database
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not gofmt-ed: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) -checks all ./...
	@if [ -n "$(VULN)" ]; then $(GO) run $(GOVULNCHECK) ./...; fi

fuzz: ## every fuzz target for FUZZTIME each, FUZZJOBS at a time
	GO="$(GO)" test/fuzz $(FUZZTIME) $(FUZZJOBS)

clean:
	rm -rf bin
