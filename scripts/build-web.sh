#!/usr/bin/env bash
# Builds the web app into web/dist/site, which the server's build takes in. Does nothing where it is fresh. Where it can't
# be built it says why and goes on: the server runs all the same, and its start page says so too. In CI it fails.
set -euo pipefail
cd "$(dirname "$0")/../web"

without() {
    echo "the web pages are left out: $1" >&2
    [ -z "${CI:-}" ]
    exit
}

../scripts/has-node.sh || without "see above"
installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ package-lock.json -nt "$installed" ]; then
    npm ci --no-audit --no-fund --loglevel=error || without "their libraries could not be installed"
fi
built=dist/site/index.html
newer=$(find . \( -name node_modules -o -name dist -o -name e2e \) -prune -o -type f -newer "$built" -print -quit 2> /dev/null || true)
if [ -e "$built" ] && [ -z "$newer" ]; then
    exit 0
fi
npm run --silent build
