# The tasks of the project; `make help` lists them. Each works in a fresh clone without questions.

.DEFAULT_GOAL := help
# rustup's folder, where a fresh installation is not in the shell's path yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help run test e2e soak check check-cuda fmt openapi sdk bench need-rust

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

run: need-rust ## Build and start everything (more: make run ARGS="--bind 127.0.0.1:9000")
	scripts/build-web.sh
	cargo build --release
	exec "$${CARGO_TARGET_DIR:-target}/release/lamplighter" serve $(ARGS)

test: need-rust ## Run all tests; sets up what they need
	scripts/setup-tests.sh
	scripts/test.sh

e2e: need-rust ## Walk through the web pages in Chromium, against a real server and a fleet
	scripts/setup-tests.sh
	scripts/build-web.sh
	cargo test --quiet --workspace --no-run
	scripts/test-web.sh $(ARGS)

soak: need-rust ## Run all tests at full size, one after another, for hours (some: make soak ARGS=nemesis)
	SOAK=1 scripts/setup-tests.sh
	scripts/soak.sh $(ARGS)

check: need-rust ## Check format, lints, docs, generated files and what is linked
	scripts/check.sh

check-cuda: need-rust ## Check that the cuda feature compiles; needs no GPU, but 2 GB and time
	scripts/check-cuda.sh

fmt: need-rust ## Format the code
	cargo fmt --all

openapi: need-rust ## Write openapi.json anew
	cargo run --quiet -- openapi > openapi.json.new
	mv openapi.json.new openapi.json

sdk: need-rust ## Generate the SDKs from openapi.json
	sdk/generate.sh

bench: need-rust ## Measure; the figures are kept in bench/RESULTS.md
	cargo build --release --workspace --bins
	"$${CARGO_TARGET_DIR:-target}/release/lamplighter-bench" $(ARGS)

need-rust:
	@scripts/need-rust.sh
