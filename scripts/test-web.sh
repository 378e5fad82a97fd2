#!/usr/bin/env bash
# Walks through the web pages in Chromium, against the debug program, which has to be built; arguments go to Playwright.
# Pictures of every page are left in web/e2e/artifacts. Without a Node that is new enough it says so and does nothing (in
# CI: fails), as build-web.sh: such a machine's server has no pages.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export LAMPLIGHTER_PROGRAM=${LAMPLIGHTER_PROGRAM:-$target/debug/lamplighter}

if ! scripts/has-node.sh; then
    echo "the walks through the web pages are left out" >&2
    [ -z "${CI:-}" ]
    exit
fi
cd web
exec npm run --silent e2e -- "$@"
