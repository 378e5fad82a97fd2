#!/usr/bin/env bash
# Runs the tests of both SDKs against a real server with the model `echo` only. Needs cargo, Python 3.11 and Node;
# everything else is set up here.
set -euo pipefail

sdk=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$sdk")
program="${LAMPLIGHTER_BIN:-${CARGO_TARGET_DIR:-$root/target}/debug/lamplighter}"
# shellcheck source=tools.sh
. "$sdk/tools.sh"

python_package
typescript_packages
[ -x "$program" ] || (cd "$root" && cargo build --quiet --bin lamplighter)

data=$(mktemp -d)
server=
stop() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$data"
}
trap stop EXIT

LAMPLIGHTER_MODELS__ENABLED='["echo"]' "$program" serve --data-dir "$data" --bind 127.0.0.1:0 >"$data/log" 2>&1 &
server=$!
ready() {
    [ -s "$data/server.addr" ] && "$tools/python/bin/python" - "http://$(cat "$data/server.addr")/readyz" 2>/dev/null <<'PYTHON'
import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=5)
PYTHON
}
for ((tries = 0; tries < 300; tries++)); do
    ready && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
ready || { cat "$data/log" >&2; echo "sdk: the server did not get ready" >&2; exit 1; }

LAMPLIGHTER_SERVER="http://$(cat "$data/server.addr")"
LAMPLIGHTER_TOKEN=$(cat "$data/owner.token")
export LAMPLIGHTER_SERVER LAMPLIGHTER_TOKEN

failed=0
echo "== sdk/python"
(cd "$sdk/python" && PYTHONDONTWRITEBYTECODE=1 "$tools/python/bin/python" -m pytest) || failed=1
echo "== sdk/typescript"
(cd "$sdk/typescript" && rm -rf dist && node_modules/.bin/tsc && node --test --test-reporter=spec dist/test/*.test.js) || failed=1
[ $failed = 0 ] || { echo "== the server's log" >&2; tail -n 40 "$data/log" >&2; exit 1; }
