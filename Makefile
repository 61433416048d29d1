# What a person can do here. Needs Go and make; nothing else for build, demo and bench.

SHELL := /bin/bash
GO    ?= go
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w'

.PHONY: help build demo test test-long bench fuzz lint openapi requirements protocols clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

build: ## bin/drawbridge and bin/drawbridge-sim, static binaries
	@mkdir -p bin
	$(BUILD) -o bin/ ./cmd/...

demo: build ## the whole house with simulated identity providers; Ctrl-C ends it and leaves nothing
	@exec bin/drawbridge-sim demo $(DEMO)

test: ## everything that can be checked here; says what it had to skip. CI=true: a skip is a failure
	@test/run.sh

test-long: ## the crash stories for hundreds of rounds, on both databases; half an hour
	@test/postgres.sh $(GO) test ./test/ -run '^TestKillingTheDaemon' -long -v -timeout 2h

bench: ## figures as ratios to a bare handler, the library alone, or a peer, in one run
	@test/bench.sh

fuzz: ## every fuzz target, FUZZTIME each (default 1m)
	@test/fuzz.sh $(or $(FUZZTIME),1m)

lint: ## gofmt, go vet, staticcheck
	@test/lint.sh

openapi: ## the API's description and the Go client, as the handlers say
	@test/openapi.sh write

requirements: ## the table of requirements, the tests that hold them, and where they can be seen
	@$(GO) run ./test/requirements

protocols: ## the rows of docs/protocols against the citations in the code
	@$(GO) run ./test/protocols

clean: ## built binaries, the demo's data, and what the tests downloaded
	rm -rf bin .demo .cache
