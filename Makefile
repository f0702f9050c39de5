# Everything that one does with the project, by name. `make` alone prints this list.

PROGRAMS = $$(tests/cluster/build.sh)

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the operator for development
	cargo build

.PHONY: demo
demo: ## Show a release's whole life on a local control plane; KEEP=1 leaves the cluster up
	@cargo build --quiet --bin coxswain --example demo || cargo build --bin coxswain --example demo
	@programs=$(PROGRAMS) && KEEP=$(KEEP) COXSWAIN_PROGRAMS="$$programs" cargo run --quiet --example demo

.PHONY: run
run: ## Run the operator against the current kubeconfig
	cargo run --bin coxswain -- controller --log-format text --listen 127.0.0.1:8080

.PHONY: test
test: ## Run every test: unit, golden, conformance and live ones on a local control plane
	@programs=$(PROGRAMS) && COXSWAIN_PROGRAMS="$$programs" cargo test

.PHONY: fmt
fmt: ## Format the code
	cargo fmt

.PHONY: lint
lint: ## Check formatting and lints; warnings are errors
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

.PHONY: crds
crds: ## Write crds/ anew from the types
	cargo run --quiet --example crds

.PHONY: manifests
manifests: crds ## Write config/install.yaml and the chart's definitions anew
	cargo run --quiet --example manifests

.PHONY: docs
docs: ## Write the parts of docs/ that are made from the code anew
	cargo run --quiet --example docs

.PHONY: image
image: ## Build the container image coxswain:dev
	docker build --tag coxswain:dev .
