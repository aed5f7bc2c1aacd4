# Two commands do all the set-up: `make demo` and `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CLUSTER ?= dbm-demo

.PHONY: help demo test lint unit server e2e venv cluster images generate clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: ## a cluster, the operator, a real application and database, one migration carried out and shown
	@hack/demo $(CLUSTER)

test: ## everything that CI runs: lint, unit, simulation, real servers, a real cluster
	@hack/test all

lint: ## ruff, mypy, import contracts, shell and generated files
	@hack/test lint

unit: ## unit tests and the simulation (no server, no cluster)
	@hack/test unit

server: ## tests of the runner and the demo application on real PostgreSQL and S3 servers of this machine
	@hack/test server

e2e: ## tests on a real cluster
	@hack/test cluster

venv: ## the two virtual environments, .venv and .venv-runner
	@hack/venv

cluster: ## a cluster without the demonstration; prints how to use it
	@hack/localkube create cluster --name $(CLUSTER) && hack/localkube env --name $(CLUSTER)

images: ## build the images of the operator and of the runner
	@for target in operator runner; do hack/localkube build -t dbmigrations/$$target:dev --target $$target .; done

generate: ## what is made from the CRD and the chart: deploy/base, the reference
	@hack/venv && PATH="$$(hack/localkube tools helm kubectl):$$PATH" .venv/bin/python deploy/generate.py

clean: ## delete the clusters of demonstration and tests, and the virtual environments
	@for name in $(CLUSTER) dbm-test; do hack/localkube delete cluster --name $$name; done
	@rm -rf .venv .venv-runner
