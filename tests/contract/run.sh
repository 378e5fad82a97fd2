#!/usr/bin/env bash
# S16: asks a real server all that its OpenAPI document says can be asked, well and badly, one thing after the
# other, as somebody unknown, as a user and an administrator with a token, and as an administrator who is logged
# in. Fails on any 5xx, on any answer that the document does not know, and on bad input that is taken. Needs cargo
# and Python 3.11; the rest is set up here.
# CASES=N: cases an operation; more than the default for a long look. SEED=N: others than the usual ones.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
program="${LAMPLIGHTER_BIN:-${CARGO_TARGET_DIR:-$root/target}/debug/lamplighter}"
tools="$here/.tools"
cases="${CASES:-10}"
seed="${SEED:-16}"

stamp=$(cksum <"$here/requirements.txt")
if [ "$(cat "$tools/.stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$tools"
    python3 -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    echo "$stamp" >"$tools/.stamp"
fi
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
for ((tries = 0; tries < 600; tries++)); do
    [ -s "$data/server.addr" ] && [ -s "$data/owner.token" ] && break
    kill -0 "$server" 2>/dev/null || { cat "$data/log" >&2; exit 1; }
    sleep 0.1
done
address="http://$(cat "$data/server.addr")"
"$program" openapi >"$data/openapi.json"

ask() {
    local role=$1 excluded=positive_data_acceptance,ensure_resource_availability,use_after_free
    shift
    # A request without its cookie counts as bad data, and here it has one all the same.
    [ "$role" = person ] && excluded+=,negative_data_rejection
    echo "== S16 as $role"
    # A good request may still be refused for what the document can't say (a code that is not the mailed one).
    (cd "$data" && "$tools/bin/schemathesis" --config-file "$here/schemathesis.toml" run openapi.json --url "$address" "$@" --seed "$seed" --workers 1 \
        --phases fuzzing,stateful --max-examples "$cases" --checks all \
        --exclude-checks "$excluded" \
        --continue-on-failure --warnings off --no-color --request-timeout 30 2>&1) | tee "$data/$role" || failed=1
}

# The cookie of a new administrator.
log_in() {
    local email=fuzz-admin@example.com password='nine blue herons over the canal'
    echo "$password" | "$program" user create "$email" --admin --password-stdin --data-dir "$data" >/dev/null
    "$tools/bin/python" - "$address" "$email" "$password" <<'PYTHON'
import json, sys, urllib.request
address, email, password = sys.argv[1:]
body = json.dumps({"email": email, "password": password}).encode()
request = urllib.request.Request(f"{address}/v1/session", body, {"Content-Type": "application/json"})
with urllib.request.urlopen(request) as answer:
    cookies = [line.split(";")[0] for line in answer.headers.get_all("Set-Cookie")]
print(next(cookie for cookie in cookies if cookie.startswith("sid=")))
PYTHON
}

failed=0
ask anonymous
ask user -H "Authorization: Bearer $("$program" token create --data-dir "$data" --user fuzz@example.com)"
ask administrator -H "Authorization: Bearer $("$program" token create --data-dir "$data" --name fuzz)"
# All but what ends this login.
ask person -H "Cookie: $(log_in)" --exclude-operation-id deleteSession --exclude-operation-id endSessions \
    --exclude-operation-id deleteAccount
count=$(grep -hoE '^ *[0-9]+ generated' "$data"/{anonymous,user,administrator,person} | awk '{sum += $1} END {print sum + 0}')
if grep -q 'ERROR' "$data/log"; then
    grep 'ERROR' "$data/log" | head -20 >&2
    failed=1
fi
echo "S16 seed $seed: $count cases, four callers: $([ $failed = 0 ] && echo '5xx 0, undocumented answers 0' || echo FAILED)"
[ $failed = 0 ] && [ "$count" -ge $((150 * cases)) ]
