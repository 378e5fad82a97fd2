#!/usr/bin/env bash
# Throws mutated files at every reader for some seconds each (arguments: targets; SECONDS_EACH, default 60). Needs
# neither nightly nor cargo-fuzz: coverage is an option of the compiler's back end, and the fuzzer is a library.
# A crash leaves its input in fuzz/artifacts/ and fails the run.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

if ! command -v c++ > /dev/null; then
    echo "fuzz: skipped, there is no C++ compiler (on Debian and Ubuntu: apt install g++)"
    exit 0
fi
host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
    x86_64-unknown-linux-gnu | aarch64-unknown-linux-gnu | *-apple-darwin) ;;
    *)
        echo "fuzz: skipped, the fuzzer is not made for $host"
        exit 0
        ;;
esac
coverage=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 "--cfg=fuzzing")
# With a target named, build scripts are built without these.
RUSTFLAGS="${coverage[*]}" cargo build --release --target "$host"

folder=${CARGO_TARGET_DIR:-target}/$host/release
targets=("$@")
if [ $# = 0 ]; then
    mapfile -t targets < <(sed -n 's/^name = "\(.*\)"/\1/p' Cargo.toml | grep -v '^lamplighter-fuzz$')
fi
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target" "artifacts/$target"
    log=artifacts/$target/log
    # The tests' files are where it begins.
    if ! "$folder/$target" -max_total_time="${SECONDS_EACH:-60}" -max_len=65536 -rss_limit_mb=1024 -timeout=10 \
        -artifact_prefix="artifacts/$target/" "corpus/$target" ../readers/tests/fixtures > "$log" 2>&1; then
        tail -n 40 "$log"
        echo "fuzz: $target failed; its input is in fuzz/artifacts/$target/"
        exit 1
    fi
    echo "fuzz: $target $(grep -a '^Done' "$log")"
done
