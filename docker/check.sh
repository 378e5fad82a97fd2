#!/usr/bin/env bash
# Holds compose.yaml to the schema of the Compose specification. The schema is not ours to copy: it comes out of the
# package that the specification's first program was published as, which is downloaded and never installed or run.
set -euo pipefail

folder=$(cd "$(dirname "$0")" && pwd)
tools="$folder/.tools"
package=docker-compose==1.29.2

if [ ! -f "$tools/compose_spec.json" ] || [ ! -x "$tools/python/bin/python" ]; then
    rm -rf "$tools"
    python3 -m venv "$tools/python"
    "$tools/python/bin/python" -m pip install --quiet --disable-pip-version-check jsonschema==4.26.0 pyyaml==6.0.3
    "$tools/python/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest "$tools" "$package"
    "$tools/python/bin/python" - "$tools" << 'PYTHON'
import pathlib, sys, zipfile

tools = pathlib.Path(sys.argv[1])
wheel = next(tools.glob("docker_compose-*.whl"))
with zipfile.ZipFile(wheel) as files:
    (tools / "compose_spec.json").write_bytes(files.read("compose/config/compose_spec.json"))
wheel.unlink()
PYTHON
fi

"$tools/python/bin/python" - "$tools/compose_spec.json" "$folder/compose.yaml" << 'PYTHON'
import json, re, sys

import jsonschema, yaml

schema = json.load(open(sys.argv[1], encoding="utf-8"))
# Younger than that copy of the schema.
schema["properties"]["name"] = {"type": "string"}
# The file as it is read by default: every variable there has one.
text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", open(sys.argv[2], encoding="utf-8").read())
# And nothing that goes with one is there.
text = re.sub(r"\$\{\w+:\+[^}]*\}", "", text)
compose = yaml.safe_load(text)
faults = sorted(jsonschema.Draft201909Validator(schema).iter_errors(compose), key=lambda fault: list(fault.path))
for fault in faults:
    print(f"{'.'.join(map(str, fault.path))}: {fault.message}", file=sys.stderr)
sys.exit(bool(faults))
PYTHON
