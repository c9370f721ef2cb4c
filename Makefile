# Rillcast: `make run` starts a whole cluster on this machine, `make test` runs every check, `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run setup setup-dev test lint unit contract process integration e2e telemetry native-test bench bench-quick chaos kubernetes fuzz audit reference clouds dashboards images lock clean

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; exit; }; done; echo python3)

EDGES ?= 1
ORIGINS ?= 1
TRANSCODERS ?= 1
PORT ?= 5080
SECONDS ?= 60

help: ## this list
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

run: setup ## a whole cluster here until Ctrl-C  [EDGES=2 ORIGINS=2 TRANSCODERS=2 PORT=5080]
	@exec .venv/bin/rillcast up --edges $(EDGES) --origins $(ORIGINS) --transcoders $(TRANSCODERS) --port $(PORT)

setup: ## .venv, compilers and the native module; does only what is missing
	@$(PYTHON) scripts/setup.py

setup-dev: ## the same and everything the tests need
	@$(PYTHON) scripts/setup.py --dev

test: setup-dev ## every check and test; a missing tool fails
	@scripts/test

lint: setup-dev ## ruff, mypy, import-linter, clippy
	@scripts/test lint types imports clippy

native-test: setup-dev ## the Rust tests
	@scripts/test native

unit contract process integration e2e telemetry: setup-dev ## one suite of tests
	@scripts/test $@

bench: setup-dev ## measure everything into docs/benchmarks, ≤ 15 min; as root for the null device
	@scripts/bench

bench-quick: setup-dev ## the same in ≤ 3 min
	@scripts/bench --quick

chaos: setup-dev ## faults in a real cluster under viewers, into docs/benchmarks; as root  [SEED=1 MINUTES=20 FAULTS=edge-killed]
	@scripts/chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(FAULTS),--faults $(FAULTS))

kubernetes: setup-dev ## the Helm chart at a real API server, into docs/benchmarks; as root, with what docs/benchmarks.md lists on PATH
	@scripts/kubernetes

fuzz: setup ## whatever reads bytes from the network, for so long each  [SECONDS=60]
	@eval "$$(.venv/bin/python scripts/setup.py --env)" && .venv/bin/python scripts/fuzz.py $(SECONDS)

audit: setup ## ask the databases of known holes about everything that is built in
	@scripts/audit

reference: setup-dev ## write docs/reference and the client of REST anew from the code
	@.venv/bin/python -m scripts.reference

clouds: setup-dev ## write the templates for AWS and Azure anew
	@.venv/bin/python -m scripts.clouds

dashboards: setup-dev ## write the dashboards for Grafana anew
	@.venv/bin/python -m scripts.dashboards

images: setup-dev ## build the container images, look into them, show their sizes; needs Docker
	@.venv/bin/python -m scripts.images

lock: ## write requirements/*.lock anew (needs uv)
	@scripts/lock

clean: ## delete what was built and run here
	rm -rf .venv .run native/target tests/e2e/node_modules
