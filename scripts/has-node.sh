#!/usr/bin/env bash
# Whether there are npm and a Node that Vite runs on (20.19 and newer of 20, 22.12 and newer); says so where not.
# Whoever needs them for the web pages goes on without; in CI that is a failure, for nothing there is to be left out.
set -euo pipefail

found=$(node --version 2> /dev/null || true)
IFS=. read -r major minor _ <<< "${found#v}"
runs_vite() {
    case "${major:-0}" in
        20) [ "$minor" -ge 19 ] ;;
        22) [ "$minor" -ge 12 ] ;;
        *) [ "${major:-0}" -gt 22 ] ;;
    esac
}

if command -v npm > /dev/null && runs_vite; then
    exit 0
fi
echo "this needs npm and Node 20.19, 22.12 or newer (found: ${found:-none})" >&2
exit 1
