# Go and make are all that is needed for help, build, demo, run, test and quick.
# The race detector also needs a C compiler; where there is none, `make test`
# says so and runs without it. REQUIRE_RACE=1 makes that an error.

SHELL   := /bin/sh
GO      ?= go
TOOL    := $(GO) tool -modfile=scripts/tools/go.mod
PKG     ?= ./...
COUNT   ?= 1
RUN     ?=
BENCH   ?= .
MAKEFLAGS += --no-print-directory

# Modules of their own: who uses this one must not get the dependencies of a file system, or our rivals.
POWERFS = integration/powerfs
PEERS   = scripts/bench
MODULES = $(POWERFS) scripts/bench/rpc $(PEERS)

# What takes real processes and seconds stays out of `make quick`.
QUICK = $$($(GO) list ./... | grep -v -e '/integration$$' -e '/scripts/readme$$')

.DEFAULT_GOAL := help
.PHONY: help build demo run test lab sim torture attack fuzz quick race cover bench bench-baseline bench-compare bench-peers bench-scale mutants lint fmt fmtcheck vet tidy hooks clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build raftnode, raftctl and raftdrill into bin/
	@mkdir -p bin
	@$(GO) build -o bin/ ./cmd/raftnode ./cmd/raftctl ./cmd/raftdrill

# make itself exits 2 on any failure and prints the demo's own exit code ("Error 1": a promise was broken,
# "Error 2": undecided). For the bare code run `bin/raftdrill run demo`.
demo: build ## three nodes, writes, kill -9 of the leader, a verdict: about ten seconds
	@bin/raftdrill run demo

run: build ## three nodes in the foreground until Ctrl-C, with the lines to paste elsewhere
	@bin/raftdrill up

# The lab over real processes takes minutes of real time, so it is not in here but in `make lab`.
test: ## all tests with the race detector (RUN=regexp PKG=./wal)
	@race=-race; \
	if [ "$$($(GO) env CGO_ENABLED)" != 1 ] || ! command -v "$$($(GO) env CC)" >/dev/null 2>&1; then \
		race=; echo "make test: no C compiler, so no race detector: install gcc to have it" >&2; \
		[ -z "$(REQUIRE_RACE)" ] || exit 1; \
	fi; \
	$(GO) test $$race -timeout 5m -run '$(RUN)' -skip '^TestProcesses2' $(PKG) || exit; \
	[ '$(PKG)' = ./... ] || exit 0; \
	for m in $(MODULES); do $(GO) -C $$m test $$race -timeout 5m -run '$(RUN)' ./... || exit; done

lab: ## the lab's parts 2A to 2D: in one process in virtual time, then over real processes (minutes)
	@cd raft && $(GO) test -count=1 -run '2A|2B|2C|2D'
	@cd integration && $(GO) test -count=1 -timeout 10m -run '2A|2B|2C|2D'

SEEDS ?= 2000
sim: build ## simulate SEEDS clusters and their faults, and check every promise: seconds (SEEDS=2000)
	@bin/raftdrill sim --seeds $(SEEDS)

# All tests of the log, beside those of the file system that loses power, those with TORTURE_REPORT at full length; then what a node does about its disk and
# its directory, and a while of each fuzzer. What needs root, strace, FUSE or a tmpfs says so where these are missing.
FUZZTIME ?= 10s
# A fuzzer whose time ends while it works on an input may say "context deadline exceeded" and fail; with that alone no input failed.
# The tests of cmd/raftnode that are about the file of the members' stores, and about free space.
NODETORTURE = Store|IsBound|Strangers|OlderCopy|LaterStart|Anchored|EnterDoes|Marks|IsLow|Space|Disk|NoRoom|AddressesThat
torture: ## kill it at each system call, cut the power, fill the disk, damage its files: what the log survives, in figures (minutes)
	@report=$$(mktemp); export TORTURE_REPORT=$$report; failed=0; \
	$(GO) test -count=1 -timeout 20m ./wal & wal=$$!; \
	TORTURE_REPORT=$$report.power $(GO) -C $(POWERFS) test -count=1 -timeout 20m ./... || failed=1; \
	wait $$wal || failed=1; \
	cat "$$report.power" >>"$$report"; rm -f "$$report.power"; \
	out=$$(mktemp); $(GO) test -count=1 ./cmd/internal/storefile || failed=1; \
	for part in './cmd/raftnode $(NODETORTURE)' './integration Disk|Data|Vain'; do \
		$(GO) test -count=1 -v -timeout 10m "$${part% *}" -run "$${part#* }" >"$$out" 2>&1 || { failed=1; cat "$$out"; }; \
		awk -v of="$${part% *}" '/^--- / { n[$$2]++ } END { printf "%6d tests of %s that concern disks and directories passed, %d failed, %d skipped\n", \
			n["PASS:"], of, n["FAIL:"], n["SKIP:"] }' "$$out" >>"$$report"; \
	done; \
	fuzzers=$$($(GO) test -list '^Fuzz' ./wal | grep '^Fuzz') || failed=1; \
	for f in $$fuzzers; do \
		outcome='no input failed'; \
		$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ./wal >"$$out" 2>&1 || \
			{ grep -qx '    context deadline exceeded' "$$out" && ! grep -qiE 'failing input|seed corpus|panic|hung' "$$out"; } || \
			{ failed=1; outcome=FAILED; cat "$$out"; }; \
		awk -v f=$$f -v outcome="$$outcome" '/execs:/ { for (i = 1; i < NF; i++) if ($$i == "execs:") n = $$(i+1) } END { printf "%6d inputs of %s: %s\n", n, f, outcome }' "$$out" >>"$$report"; \
	done; \
	echo; cat "$$report"; rm -f "$$report" "$$out"; exit $$failed

attack: ## 10,000 idle connections, slow senders, garbage, bombs, flipped bits, storms: what a cluster under load withstands, with and without TLS (a minute or two)
	@ATTACK=1 $(GO) test -count=1 -timeout 5m -v -run '^TestAttacks' ./integration

fuzz: ## each fuzzer of PKG for FUZZTIME (PKG=./rpc/... FUZZTIME=10s); what they find is kept in testdata, and `make test` runs it
	@failed=0; for pkg in $$($(GO) list $(PKG)); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg || failed=1; \
		done; \
	done; exit $$failed

quick: fmtcheck ## build, vet and unit tests: seconds when warm; what the commit hook runs
	@$(GO) build ./...
	@$(GO) vet ./...
	@$(GO) test -short -timeout 60s $(QUICK)

race: ## hunt: tests of PKG, COUNT times, never from the cache (PKG=./raft COUNT=50)
	@$(GO) test -race -count=$(COUNT) -run '$(RUN)' $(PKG)

cover: ## how much of each package its own tests reach
	@$(GO) test -short -cover $(QUICK)

bench: ## benchmarks (PKG=./wal BENCH=Append COUNT=10, then benchstat); PKG=./rpc compares with others', too
	@$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count=$(COUNT) $(PKG)
	@[ ! -e 'scripts/bench/$(PKG)/go.mod' ] || $(GO) -C 'scripts/bench/$(PKG)' test -run '^$$' -bench '$(BENCH)' -benchmem -count=$(COUNT) .

# Short, so that both take a minute: six runs of a tenth of a second are enough for benchstat to tell a change of some per cent from chance on a quiet machine.
# raft/sim is left out: its benchmarks are of the simulator, and have a page of their own.
BASELINE  = docs/bench/baseline.txt
GUARDED   = $(GO) test -run '^$$' -bench . -benchmem -benchtime=100ms -count=6 ./raft/consensus ./rpc ./wal ./kv/...

bench-baseline: ## measure the packages and keep that as what bench-compare compares with: a minute, on a quiet machine
	@mkdir -p $(dir $(BASELINE))
	@$(GUARDED) >$(BASELINE).new || { cat $(BASELINE).new; rm -f $(BASELINE).new; exit 1; }
	@mv $(BASELINE).new $(BASELINE)

bench-compare: ## measure the packages, and compare with the baseline by benchstat: a minute
	@[ -f $(BASELINE) ] || { echo "there is no $(BASELINE): go back to the commit to compare with, and run make bench-baseline" >&2; exit 1; }
	@new=$$(mktemp); trap 'rm -f "$$new"' EXIT; \
	$(GUARDED) >"$$new" || { cat "$$new"; exit 1; }; \
	$(TOOL) benchstat baseline=$(BASELINE) now="$$new"

bench-peers: ## beside hashicorp/raft, etcd, dragonboat: half an hour; a look: BENCHFLAGS='-rounds 1 -window 1s'; -help has more
	@$(GO) -C $(PEERS) run . $(BENCHFLAGS)

bench-scale: ## as log, keys, nodes and values grow; starts, failover, catching up: ten minutes; a look: BENCHFLAGS=-quick
	@$(GO) -C $(PEERS) run ./scale $(BENCHFLAGS)

mutants: ## break the code on purpose, one rule at a time: a test must notice each (RUN=regexp; RESULTS=file, with which a run that was cut goes on)
	@$(GO) run ./scripts/mutants -run '$(RUN)' -results '$(RESULTS)'

lint: ## golangci-lint, pinned in scripts/tools (the first run builds it: minutes)
	@$(TOOL) golangci-lint run ./...

fmt: ## gofumpt, pinned in scripts/tools, on every Go file
	@$(TOOL) gofumpt -w .

fmtcheck: ## say which Go files gofmt would change
	@bad=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .) || exit 1; \
	[ -z "$$bad" ] || { echo "not formatted; run 'make fmt':" "$$bad" >&2; exit 1; }

vet: ## go vet
	@$(GO) vet ./...
	@for m in $(MODULES); do $(GO) -C $$m vet ./... || exit; done

tidy: ## the walls: imports, budgets, package docs; go.mod and go.sum as tidy has them
	@$(GO) test -count=1 ./scripts/tidy
	@$(GO) mod tidy -diff
	@for m in $(MODULES); do $(GO) -C $$m mod tidy -diff || exit; done

hooks: ## make git run `make quick` before each commit
	@git config core.hooksPath scripts/hooks && echo "make quick now runs before each commit; undo: git config --unset core.hooksPath"

clean: ## remove what the targets above built and left; data/ stays, it may be all there is of a cluster
	@rm -rf bin runs
