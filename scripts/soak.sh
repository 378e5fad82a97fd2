#!/usr/bin/env bash
# Runs the tests at full size, one after another, those that are left out of every run included
# (`#[ignore = "soak"]`); the fault scenarios first. A test takes its size from `testkit`'s `scenario::sized`. Goes
# on after a failure, and repeats the figures at the end. Arguments choose tests: `scripts/soak.sh nemesis`.
set -uo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0

run() {
    LAMPLIGHTER_TEST_SIZE=soak "$@" < /dev/null 2>&1 | tee --append "$log" || failed=1
}

how=(--include-ignored --nocapture --test-threads 1 "$@")
run cargo test --package lamplighter --test fleet -- "${how[@]}"
# All but the fault scenarios, which are through.
run cargo test --no-fail-fast --package lamplighter-shared --package lamplighter-api \
    --package lamplighter-worker --package lamplighter-readers --lib --tests -- "${how[@]}"
rest=()
for target in tests/*.rs tests/*/main.rs; do
    name=${target#tests/}
    name=${name%/main.rs}
    name=${name%.rs}
    [ "$name" = fleet ] || rest+=(--test "$name")
done
run cargo test --no-fail-fast --package lamplighter "${rest[@]}" -- "${how[@]}"
if [ $# = 0 ]; then
    run env CASES="${CASES:-70}" tests/contract/run.sh
    run scripts/fuzz.sh
fi

echo
echo "== the figures"
# With one test at a time the runner's "test … ... " stands before the first line that a test prints.
sed -E 's/^test .* \.\.\. //' "$log" | grep -aE '^(scenario=.* seed=|R[0-9]+b?[ :]|S[0-9]+[ :]|fuzz:)'
echo
echo "== the runners' summaries"
grep -aE '^test result:|panicked at' "$log"
exit $failed
