# Spaces. `make run` starts a platform here, `make test` runs everything that CI runs.

host := $(shell rustc -vV | sed -n 's/^host: //p')
programs := bin/spaces-gateway bin/spaces bin/spaces-guest

.PHONY: build setup test-setup bench-setup russh programs image run test lint bench clean
.DEFAULT_GOAL := build

# Everything that a platform needs, ready to start.
build: setup programs image

# Debian packages and a running engine; installs and starts only what is missing.
setup:
	@scripts/setup

test-setup: setup
	@scripts/setup test

bench-setup: setup
	@scripts/setup bench

# russh with our diff, from the registry's source.
russh:
	@patches/apply

programs: russh
	cargo build --release --locked -p spaces-gateway -p spaces-cli
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --profile guest --target $(host) -p spaces-guest
	@mkdir -p bin
	@install -C target/release/spaces-gateway target/release/spaces target/$(host)/guest/spaces-guest bin/

# The base Space image; free where it is there already.
image: setup
	@scripts/with-engine config/image/build

run: build
	@exec scripts/with-engine scripts/run

test: test-setup build lint
	scripts/with-engine cargo nextest run --release --locked --workspace

lint: setup russh
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

bench: bench-setup build
	scripts/with-engine cargo run --release --locked -p spaces-bench

clean:
	rm -rf bin target .patched .specdown
