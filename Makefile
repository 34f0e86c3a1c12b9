# make build, test, demo, bench, lint: see README.md.

GO ?= go

.PHONY: build demo bench
build:
	$(GO) build -trimpath -o bin/hallmark ./cmd/hallmark

demo: build
	bin/hallmark demo

bench: build
	bin/hallmark bench
