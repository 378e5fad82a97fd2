#!/usr/bin/env bash
# Walks through the web pages in Chromium, against the debug program, which has to be built; arguments go to Playwright.
# Pictures of every page are left in web/e2e/artifacts. Without a Node that is new enough it says so and does nothing, as
# build-web.sh: such a machine's server has no pages.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export LAMPLIGHTER_PROGRAM=${LAMPLIGHTER_PROGRAM:-$target/debug/lamplighter}

cd web
major=$(node --version 2> /dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
if [ "${major:-0}" -lt 20 ] || ! command -v npm > /dev/null; then
    echo "the walks through the web pages are left out: they need Node 20 or newer (found: ${major:-none}) and npm" >&2
    exit 0
fi
exec npm run --silent e2e -- "$@"
