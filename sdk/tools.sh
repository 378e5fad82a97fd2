# Sets up what generate.sh and test.sh need, each in a folder of its own; does nothing when it is there already.
# To be sourced; expects $sdk.
# shellcheck shell=bash disable=SC2154
tools="$sdk/.tools"

# fresh STAMP FILE...: whether the stamp was made from these files as they are now.
fresh() {
    local stamp=$1
    shift
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cat "$@" | cksum)" ]
}

# venv NAME STAMP-FILE PIP-ARGUMENTS...: a virtual environment, made again when the file has changed.
venv() {
    local folder="$tools/$1" source=$2
    shift 2
    fresh "$folder/.stamp" "$source" && return
    rm -rf "$folder"
    mkdir -p "$tools"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        { echo "sdk: Python 3.11 or newer is needed (python3)" >&2; exit 1; }
    python3 -m venv "$folder" || { echo "sdk: python3 can't make environments; install python3-venv" >&2; exit 1; }
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    cksum <"$source" >"$folder/.stamp"
}

python_generator() {
    venv generator "$sdk/generator-requirements.txt" -r "$sdk/generator-requirements.txt"
}

python_package() {
    venv python "$sdk/python/pyproject.toml" -e "$sdk/python[test]"
}

# Node 20 or newer: the machine's, or where that is older (Debian 12) one of our own, from the package registry.
modern_node() {
    command -v node >/dev/null && command -v npm >/dev/null ||
        { echo "sdk: Node and npm are needed (nodejs, npm)" >&2; exit 1; }
    [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] && return
    [ -x "$tools/node/node_modules/.bin/node" ] ||
        npm install --prefix "$tools/node" --no-fund --no-audit --loglevel=error node@22
    PATH="$tools/node/node_modules/.bin:$PATH"
}

typescript_packages() {
    local stamp="$sdk/typescript/node_modules/.stamp"
    modern_node
    fresh "$stamp" "$sdk/typescript/package-lock.json" && return
    (cd "$sdk/typescript" && npm ci --no-fund --no-audit --loglevel=error)
    cksum <"$sdk/typescript/package-lock.json" >"$stamp"
}
