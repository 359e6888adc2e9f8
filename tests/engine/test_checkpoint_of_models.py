"""What was found of models that do not answer is kept by a checkpoint as the records have it."""

from __future__ import annotations

import socket

from archive import RunClosed, read_journal
from evolve.budget import _model_limits
from evolve.engine._reading import view_run
from evolve.engine._session import start
from evolve.runs import _checkpoint
from evolve.runs._folder import open_folder


def test_what_was_found_is_part_of_a_checkpoint(near, tmp_path, monkeypatch):
    monkeypatch.setattr(_model_limits, "REST_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"  # at which nothing listens
    llm = {"models": ("m",), "max_attempts": 1, "max_concurrency": 2}
    assert start(near(url, operators=(), provider="openai", llm=llm, usd=1.0)).status == "degraded"
    run = open_folder(tmp_path / "run")
    books = view_run(str(run.path)).state.run.model_limits
    assert books.found == {"m": ("unreachable", "openai-compatible: no connection (ConnectError All connection attempts failed).")}
    assert _checkpoint.load(run.checkpoint) is not None
    before = (books.found, books.rested, books.backoff_until, books.heard)
    for path in run.path.glob("checkpoint.*"):
        path.unlink()
    after = view_run(str(run.path)).state.run.model_limits
    assert before == (after.found, after.rested, after.backoff_until, after.heard)
    last = list(read_journal(run.path))[-1].record
    assert isinstance(last, RunClosed)
    assert last.status == "degraded"
