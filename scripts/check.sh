#!/usr/bin/env bash
# All checks that are no tests: format, lints, documentation, generated files, and what is linked.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { echo "== $*"; }

# Fails where a build of one role links crates that are not its business.
links_no() {
    local role=$1 pattern=$2 tree found
    tree=$(cargo tree --quiet --package lamplighter --no-default-features --features "$role" --edges normal --prefix none --format '{p}')
    found=$(grep --extended-regexp "^($pattern) v" <<< "$tree" | sed 's/ (\*)$//' | sort --unique) || true
    if [ -n "$found" ]; then
        printf '%s\n' "$found" "a build with only the feature '$role' must not link these" >&2
        return 1
    fi
}

step "Cargo.lock is up to date"
cargo metadata --locked --format-version 1 > /dev/null

step "format"
cargo fmt --all --check

step "the web app: format, lints, types, unit tests, generated client, size"
scripts/build-web.sh
if scripts/has-node.sh && [ -e web/dist/site/index.html ]; then
    (cd web && npm run --silent check && npm run --silent size)
else
    echo "skipped"
fi

step "lints"
cargo clippy --quiet --workspace --all-targets -- -D warnings

step "documentation"
# Private items are documented too, so links to them do resolve.
RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --quiet --workspace --no-deps --document-private-items

step "one role links nothing of the other"
links_no api 'candle.*|tokenizers|lamplighter-worker'
links_no worker 'poem.*|lamplighter-api'

step "one TLS stack"
if grep --extended-regexp '^name = "(openssl(-sys)?|native-tls|aws-lc-(rs|sys))"$' Cargo.lock; then
    echo "rustls with ring is the only TLS stack" >&2
    exit 1
fi

step "openapi.json is fresh"
# Built as the tests build it: with other features selected, cargo would compile the dependencies twice.
cargo test --quiet --workspace --no-run
"${CARGO_TARGET_DIR:-target}/debug/lamplighter" openapi | diff --unified openapi.json - || { echo "run: make openapi" >&2; exit 1; }

if [ -x sdk/generate.sh ]; then
    step "the SDKs are fresh"
    sdk/generate.sh --check < /dev/null
fi

if [ -x docker/check.sh ]; then
    step "compose.yaml fits the Compose specification"
    docker/check.sh < /dev/null
fi

step "licences, bans and sources"
if cargo deny --version > /dev/null 2>&1; then
    cargo deny --log-level warn check licenses bans sources
else
    echo "skipped: cargo-deny is not installed (cargo install --locked cargo-deny)"
fi

echo "== all checks passed"
