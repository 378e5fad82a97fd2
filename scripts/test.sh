#!/usr/bin/env bash
# Runs all tests and repeats the runners' own summary lines at the end. Stops at the first failure.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT

summarise() {
    local code=$?
    echo
    echo "== the figures of the scenarios"
    grep -aE '^(scenario=|R[0-9]+b?[ :]|S[0-9]+[ :])' "$log" || true
    echo
    echo "== the runners' summaries"
    # cargo test, pytest, node --test, Playwright
    grep -aE '^test result:|^=+ .*(passed|failed|error).* =+$|^(# |ℹ )(tests|pass|fail) |^ +[0-9]+ (passed|failed|flaky|skipped|interrupted|did not run)\b' "$log" || true
    rm -f "$log"
    exit $code
}
trap summarise EXIT

# The server under test has the web app in it.
scripts/build-web.sh
echo "== cargo test --workspace"
# What tests print is shown, too: their figures and seeds.
cargo test --workspace -- --show-output < /dev/null 2>&1 | tee "$log"
if [ -x sdk/test.sh ]; then
    echo "== sdk/test.sh"
    sdk/test.sh < /dev/null 2>&1 | tee --append "$log"
fi
echo "== tests/contract/run.sh"
tests/contract/run.sh < /dev/null 2>&1 | tee --append "$log"
echo "== scripts/test-web.sh"
scripts/test-web.sh < /dev/null 2>&1 | tee --append "$log"
