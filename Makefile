# Everything that one does with the project, by name. `make` alone prints this list.

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the operator and kubectl-captain for development
	cargo build

.PHONY: plugin
plugin: ## Build kubectl-captain, the command line, as it is released: target/dist/kubectl-captain
	cargo build --profile dist --bin kubectl-captain

.PHONY: demo
demo: ## Show a release's whole life on a local control plane; KEEP=1 leaves the cluster up
	cargo build --bin coxswain --example demo
	@tests/cluster/build.sh > /dev/null
	@KEEP=$(KEEP) cargo run --quiet --example demo

.PHONY: run
run: ## Run the operator against the current kubeconfig
	cargo run --bin coxswain -- controller --log-format text --listen 127.0.0.1:8080

.PHONY: test
test: ## Run every test: unit, golden, conformance and live ones on a local control plane
	@tests/cluster/build.sh > /dev/null
	RUST_TEST_THREADS=6 cargo test # live tests mostly wait

.PHONY: clients
clients: ## Generate Go and Java clients of the kinds, compile them and let them install a release; needs a JDK and pip
	@tests/cluster/build.sh > /dev/null
	cargo test --test it clients:: -- --ignored --nocapture

.PHONY: bench
bench: ## Measure the operator beside a bare client; RELEASES=100,1000 for more than 100 releases, MANY=10000 for the memory of many
	cargo build --release --bin coxswain --example bench
	cargo run --release --example bench

.PHONY: fuzz
fuzz: ## Fuzz TARGET=yaml for SECONDS=600: archive, printf, set, template, version or yaml; needs nightly and cargo-fuzz
	@mkdir -p fuzz/corpus/$(TARGET)
	cd fuzz && cargo +nightly fuzz run -s none $(TARGET) corpus/$(TARGET) regressions/$(TARGET) -- -max_total_time=$(or $(SECONDS),600)

.PHONY: bench-render
bench-render: ## Measure renders beside Helm's own packages; PARTS=cold,warm CHARTS=name for some, SOAK=100000 for a longer run
	@tests/cluster/build.sh > /dev/null
	PARTS=$(PARTS) CHARTS=$(CHARTS) SOAK=$(SOAK) cargo bench --profile dist --bench render

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
