#!/bin/sh
# Says what to install where the Rust toolchain or a C compiler is missing.
set -eu

if ! command -v cargo > /dev/null 2>&1; then
    cat >&2 <<'TEXT'
Lamplighter is built with Rust 1.95 or newer, and `cargo` is not installed.
Get it from https://rustup.rs, or with:

    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y

then run make again.
TEXT
    exit 1
fi
if ! command -v cc > /dev/null 2>&1; then
    echo "A C compiler (cc) is needed for SQLite and the cryptography: install gcc, for example 'apt-get install build-essential'." >&2
    exit 1
fi
