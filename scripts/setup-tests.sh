#!/usr/bin/env bash
# Installs what the tests need besides Rust, and only what is missing: the programs of Postgres, Redis and
# nginx (each test starts private servers; no service is used, and none is started), Chromium and fonts, faketime, Python with
# pip and venv, Node and npm. With SOAK=1 also what only `make soak` needs: stress-ng.
# As root it installs packages (Debian and Ubuntu); otherwise it says which ones are missing.
set -euo pipefail

missing=()

has() { command -v "$1" > /dev/null 2>&1; }

has_postgres() {
    local folder
    { has initdb && has postgres; } && return 0
    for folder in /usr/lib/postgresql/*/bin; do
        [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && return 0
    done
    return 1
}

# nginx stands where only root's path leads.
has_nginx() { has nginx || [ -x /usr/sbin/nginx ]; }

has_postgres || missing+=(postgresql)
has redis-server || missing+=(redis-server)
has redis-cli || missing+=(redis-tools)
has_nginx || missing+=(nginx-light)
has chromium || missing+=(chromium)
# Without these the pictures of the Chinese and Japanese pages show boxes, and their widths are another's.
has fc-list || missing+=(fontconfig)
has_fonts() { [ -n "$(fc-list :lang=ja 2> /dev/null)" ] && [ -n "$(fc-list :lang=zh-tw 2> /dev/null)" ]; }
has_fonts || missing+=(fonts-noto-cjk)
has openssl || missing+=(openssl)
has python3 || missing+=(python3)
# Of the system's Python; another one may stand before it in the path.
has_aiosmtpd() { { [ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import aiosmtpd'; } || python3 -c 'import aiosmtpd'; }
has_aiosmtpd > /dev/null 2>&1 || missing+=(python3-aiosmtpd)
python3 -c 'import ensurepip, venv' > /dev/null 2>&1 || missing+=(python3-venv)
{ has pip || has pip3 || python3 -m pip --version > /dev/null 2>&1; } || missing+=(python3-pip)
# One that is there and too old is not replaced: the tests of the pages say so.
has node || missing+=(nodejs)
has npm || missing+=(npm)
has faketime || missing+=(faketime)
if [ "${SOAK:-}" = 1 ]; then
    has stress-ng || missing+=(stress-ng)
fi

if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! has apt-get; then
        echo "The tests need these packages (names of Debian and Ubuntu): ${missing[*]}" >&2
        echo "Install them, for example: sudo apt-get install --yes ${missing[*]}" >&2
        exit 1
    fi
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet --quiet
    # The packages of servers would start them, on ports that are somebody's: the policy that Debian asks
    # before it starts a service says no (101) meanwhile.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 755 "$policy"
    fi
    apt-get install --quiet --quiet --yes --no-install-recommends "${missing[@]}" < /dev/null
fi
