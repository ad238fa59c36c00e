# The two commands a newcomer needs are `cargo run --release -p canary-cli -- demo` and `make test`; the on-call's is `make deploy-canary ARTIFACT=…`.

CARGO ?= cargo
CLI := $(or $(CARGO_TARGET_DIR),target)/debug/canary-cli

.PHONY: help test check fix lab-demo deploy-canary bench bench-balancer measure sim deb test-deb crates sbom deny fuzz

help: ## Says what there is.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 16

test: ## Installs what is missing, brings up the real servers, runs everything, cleans up.
	scripts/test

check: ## Reads only: formatting, lints, documentation, dependencies of the core.
	scripts/check

fix: ## Formats and applies what clippy can mend by itself.
	$(CARGO) fmt --all
	$(CARGO) clippy --fix --workspace --all-targets --allow-dirty --allow-staged

lab-demo: ## Brings up HAProxy, Incus and Prometheus, ships a good release and a bad one, takes it all down.
	scripts/lab-demo

deploy-canary: ## Ships ARTIFACT by the runbook; every variable of the runbook applies.
	@test -n "$(ARTIFACT)" || { echo 'error: ARTIFACT is not set; use: make deploy-canary ARTIFACT=/path/to/binary' >&2; exit 2; }
	@test -x "$(CLI)" || $(CARGO) build -q -p canary-cli
	@ARTIFACT='$(subst ','\'',$(ARTIFACT))' $(CLI) run

bench: ## Times a roll beside the runbook's shell script, in the lab.
	$(CARGO) build -q -p canary-cli -p canary-lab-e2e
	scripts/with-lab $(CARGO) run -q -p canary-lab-e2e --bin lab-bench

bench-balancer: ## canary-local's balancer beside HAProxy: throughput and added latency, in one run.
	$(CARGO) run -q --release -p canary-bench --bin bench-balancer

.PHONY: bench-judges
bench-judges: ## Judges of canaries on the same simulated hours: false rollbacks, delays, bad requests. RUNS=60 SEED=1
	nice $(CARGO) run -q --release -p canary-bench --bin bench-judges -- --runs $(or $(RUNS),60) --seed $(or $(SEED),1)

.PHONY: bench-tenants
bench-tenants: ## A policy of many tenants: read, resolved, hashed, compared. TENANTS=10000
	nice $(CARGO) run -q --release -p canary-bench --bin bench-tenants -- $(or $(TENANTS),10000)

.PHONY: bench-rounds
bench-rounds: ## Rounds of many tenants to a decision on disk, grouped beside a query a tenant; needs prometheus and promtool. TENANTS=187 SERVERS=5
	nice $(CARGO) run -q --release -p canary-bench --bin bench-tenants -- rounds $(or $(TENANTS),187) $(or $(SERVERS),5)

.PHONY: bench-probes
bench-probes: ## Probes of many tenants: a sliding window beside batches that wait for their slowest.
	nice $(CARGO) run -q --release -p canary-bench --bin bench-probes

.PHONY: bench-containers
bench-containers: ## 500 tenants probed in 25 containers of a Docker Engine of its own; needs root and dockerd.
	nice $(CARGO) build -q --release -p canary-bench --bin bench-probes -p canary-probe --lib
	scripts/probe $(or $(CARGO_TARGET_DIR),target)/release/canary-probe-static release $(or $(CARGO_TARGET_DIR),target)/release/libcanary_probe.rlib
	$(or $(CARGO_TARGET_DIR),target)/release/bench-probes $(or $(CARGO_TARGET_DIR),target)/release/canary-probe-static

.PHONY: bench-gate
bench-gate: ## The static gate: many new migrations, then one file of rows in several sizes. FILES=1000
	nice $(CARGO) run -q --release -p canary-bench --bin bench-gate -- $(or $(FILES),1000)

.PHONY: bench-record
bench-record: ## How fast a journal is verified, and what a signed head costs a writer. RECORDS=100000
	$(CARGO) run -q --release -p canary-bench --bin bench-record -- $(or $(RECORDS),100000)

.PHONY: bench-told
bench-told: ## Decisions with receivers that answer, are gone or silent, beside none: when it is on disk, when the command ends. TENANTS=187
	$(CARGO) build -q --release -p canary-cli
	nice $(CARGO) run -q --release -p canary-bench --bin bench-told -- $(or $(CARGO_TARGET_DIR),target)/release/canary-cli $(or $(TENANTS),187)

.PHONY: bench-schemas
bench-schemas: ## Tenants' schemas hashed and queries described, one pass beside a query a tenant; needs PostgreSQL's programs. TENANTS=1000
	nice $(CARGO) run -q --release -p canary-bench --bin bench-schemas -- $(or $(TENANTS),1000)

measure: ## Start to first line, size and memory of the binary, beside what they may be.
	@scripts/measure

sim: ## A million simulated rollouts with faults and deaths, held against every invariant; SEEDS=n for another number.
	$(CARGO) run -q --release -p canary-testkit --bin canary-sim -- --seeds $(or $(SEEDS),1000000)

deb: ## Builds the Debian package, and prints where it is.
	@scripts/deb

test-deb: ## Builds the Debian package, unpacks it, and holds it against what it must have.
	@scripts/test-deb "$$(scripts/deb)"

.PHONY: test-report
test-report: ## Looks at a report of the demo in headless Chromium; KEEP=DIR keeps the page and screenshots.
	$(CARGO) build -q -p canary-cli
	scripts/test-report

crates: ## Packages every crate that can be published; VERIFY=1 builds each from its package.
	@scripts/crates

fuzz: ## Fuzzes every parser and codec, FUZZ_SECONDS each (20).
	@scripts/fuzz

sbom: ## Prints the bill of materials of canary-cli as CycloneDX JSON.
	@scripts/sbom

deny: ## Licences, origins, duplicates and advisories by cargo-deny, which must be installed (cargo install cargo-deny).
	$(CARGO) deny check
