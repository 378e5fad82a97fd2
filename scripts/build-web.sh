#!/usr/bin/env bash
# Builds the web app into web/dist/site, which the server's build takes in. Does nothing where it is fresh. Without Node
# it says what is missing and goes on: the server runs all the same, and its start page says so too.
set -euo pipefail
cd "$(dirname "$0")/../web"

major=$(node --version 2> /dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
if [ "${major:-0}" -lt 20 ] || ! command -v npm > /dev/null; then
    echo "the web pages are left out: they need Node 20 or newer (found: ${major:-none}) and npm" >&2
    exit 0
fi

installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ package-lock.json -nt "$installed" ]; then
    npm ci --no-audit --no-fund --loglevel=error
fi
built=dist/site/index.html
newer=$(find . \( -name node_modules -o -name dist -o -name e2e \) -prune -o -type f -newer "$built" -print -quit 2> /dev/null || true)
if [ -e "$built" ] && [ -z "$newer" ]; then
    exit 0
fi
npm run --silent build
