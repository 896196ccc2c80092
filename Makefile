# Everything a person or the CI does with this repository. Each target installs what it needs by itself: npm packages when
# node_modules is older than the lock file, and on Debian the few system packages that are missing. Only Node and npm must be there.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

BIN := node_modules/.bin
INSTALLED := node_modules/.package-lock.json
NPM_FLAGS := --ignore-scripts --no-audit --no-fund --loglevel=error
# More options for vitest, as in `make test VITEST_FLAGS=packages/store`.
VITEST_FLAGS ?=
# More options for the simulation.
SIM_FLAGS ?= --seeds 20
# More options for the soak.
SOAK_FLAGS ?= --minutes 5 --tasks 10000
# More options for the benchmark, as in `make bench BENCH_FLAGS='--tasks 5000'`.
BENCH_FLAGS ?=

# More options for the growth tables, as in `make bench-growth GROWTH_FLAGS='--only chain'`.
GROWTH_FLAGS ?=

# `all` adds the long container tests; more options for vitest, as in `make e2e E2E_FLAGS='tests/tail.e2e.test.ts -t retention'`.
E2E ?=
E2E_FLAGS ?=

.PHONY: help demo test sim soak e2e e2e-twins bench bench-quick bench-growth bench-full lint directions proto types unused build format clean node

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: build ## Build and test a C program on three nodes in one process, and show what they did (about a minute)
	@.ci/need cc:gcc,libc6-dev
	examples/demo.sh

test: build ## All tests: pure ones, and those on a real etcd and real processes
	@.ci/need etcd:etcd-server cc:gcc,libc6-dev git:git grpc_python_plugin:protobuf-compiler,protobuf-compiler-grpc,python3-grpcio,python3-protobuf faketime:faketime
	seen=$$(mktemp -d); trap 'rm -rf "$$seen"' EXIT
	BOI_SEEN_CODES=$$seen $(BIN)/vitest run $(VITEST_FLAGS)
	node .ci/problems/check.js "$$seen" $(if $(filter-out --reporter% --outputFile%,$(VITEST_FLAGS)),--partial)

sim: build ## Whole clusters under drawn faults on a virtual clock (SIM_FLAGS='--seeds 50 --first-seed 1')
	npm run --silent sim -- $(SIM_FLAGS)

soak: build ## Daemons under drawn faults and steady work for a while (SOAK_FLAGS='--minutes 20 --tasks 50000 --seed 1')
	@.ci/need etcd:etcd-server
	npm run --silent soak -- $(SOAK_FLAGS)

e2e: ## Tests in containers, on a Docker engine that is installed and started where none answers (E2E=all: the long ones too)
	@if [ -n "$${BOI_E2E_SKIP:-}" ]; then
	  echo 'make e2e: BOI_E2E_SKIP is set; none of the tests in e2e/ was run.'
	  exit
	fi
	$(MAKE) build
	BOI_E2E=$(E2E) .ci/with-docker e2e/run $(E2E_FLAGS)

e2e-twins: ## Container tests against images with one protective mechanism switched off: each must fail
	@$(MAKE) build
	.ci/with-docker bash -c 'docker/build.sh && node e2e/twins/run.js'

bench: build ## All measures of docs/performance.md on real etcd, next to BullMQ, graphile-worker and pg-boss (ten minutes)
	@.ci/need etcd:etcd-server redis-server:redis-server initdb:postgresql parallel:parallel
	node bench/run.mjs $(BENCH_FLAGS)

bench-quick: build ## What a task costs in counts that no machine changes, against bench/budgets.json (half a minute)
	node bench/quick/run.mjs

bench-growth: build ## What a task costs as nodes, tasks, specs, chains and fans grow, in simulation (some minutes)
	node bench/growth/run.mjs $(GROWTH_FLAGS)

bench-full: ## All benchmarks, with the long ones: a million tasks in simulation (half an hour)
	@$(MAKE) bench-quick
	$(MAKE) bench
	$(MAKE) bench-growth GROWTH_FLAGS=--million

lint: $(INSTALLED) ## Format, lint rules, import directions
	$(BIN)/biome check --error-on-warnings .

directions: $(INSTALLED) ## Import directions alone
	$(BIN)/biome lint --only=style/noRestrictedImports packages plugins

proto: $(INSTALLED) ## Lint the plugin contracts, compare them with the released ones, write their types anew
	cd proto
	../$(BIN)/buf lint
	../$(BIN)/buf breaking --against released.json
	cd ..
	node packages/proto/scripts/generate.mjs

types: $(INSTALLED) ## Types of everything
	$(BIN)/tsc -b
	$(BIN)/tsc -p .ci
	$(BIN)/tsc -p packages/cli/test
	$(BIN)/tsc -p e2e

unused: $(INSTALLED) ## Files, exports and dependencies that nothing uses
	$(BIN)/knip

build: $(INSTALLED) ## Compile the packages and bundle the command
	npm run --silent build

format: $(INSTALLED) ## Format and fix what can be fixed
	$(BIN)/biome check --write .

clean: ## Remove what was built and installed
	rm -rf packages/*/dist packages/*/tsconfig.tsbuildinfo plugins/*/dist plugins/*/tsconfig.tsbuildinfo examples/plugins/*/build node_modules packages/*/node_modules bench/peers/node_modules .ci-out .demo

# `npm ci` of npm 11 refuses a lock file without the binaries of platforms that the registry in use does not have; `npm install`
# takes what the lock file has. npm writes the target itself at the end of an install.
$(INSTALLED): package-lock.json package.json $(wildcard packages/*/package.json) e2e/package.json | node
	@npm ci $(NPM_FLAGS) >/dev/null 2>&1 || npm install --no-save $(NPM_FLAGS)
	touch $@

node:
	@command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 \
	  || { echo 'Node 20.19 or newer, with npm, is needed and was not found on PATH.' >&2; exit 1; }
	node -e 'const [a, b] = process.versions.node.split(".").map(Number); if (a < 20 || (a === 20 && b < 19)) { console.error("Node 20.19 or newer is needed; this is " + process.version + "."); process.exit(1); }'
