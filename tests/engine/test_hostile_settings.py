"""Settings that would have shown a secret or stopped every call are refused before a run is made.  Servers that broke runs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import anthropic  # noqa: F401  the first import takes a second
import pytest
from llm_world import ends, of, records_of

from archive import CallReserved, CallSettled, Event
from evolve._errors import ConfigError, UsageError
from evolve.config._llm import LlmConfig, RecordingConfig
from evolve.engine._session import start
from evolve.engine.models import _stack as _models
from evolve.testing import AnsweringServer, Say
from evolve.testing.models._says import block, chat, finish
from evolve.testing.models._says import start as begun

SECRET = "sk-ant-0123456789abcdef"
ONE = {"max_concurrency": 1, "max_attempts": 2, "max_tokens": 500, "read_timeout_s": 20.0}


@pytest.mark.parametrize("url", [
    f"http://h/v1?key={SECRET}", f"http://h/v1#{SECRET}", f"http://user:{SECRET}@h/v1", f"http://h\n/v1?key={SECRET}", "http://h/v1?",
    "http://[::bad", "http://h:99999/v1", "http://:80/v1", "http:///v1", "ftp://h/v1", "http://a b/v1", "http://h/v1\r", "h/v1",
])  # fmt: skip
def test_addresses_that_are_none_or_may_hold_a_secret(url):
    with pytest.raises(ConfigError, match=r"^llm.base_url must be an address like http://localhost:8000/v1, without") as refused:
        LlmConfig(provider="openai", models=("m",), base_url=url)
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://[::1]:8000/v1", "https://h.example/v4/@cf/v1", "http://möbel.example", "http://127.0.0.1/"]
)
def test_addresses_that_are_some(url):
    assert LlmConfig(provider="openai", models=("m",), base_url=url).base_url == url


def chat_config(**more) -> LlmConfig:
    return LlmConfig(provider="openai", models=("m",), base_url="http://127.0.0.1:1/v1", prices=("m=1/5",), **more)


@pytest.mark.parametrize("recording", ["/proc/x", "missing/recording", ".", "fifo", "sealed"])
def test_a_recording_that_cannot_be_written(recording, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "sealed").symlink_to("/proc/version")
    with pytest.raises(UsageError, match=r"^llm\.recording\.file must be a file that can be written, found "):
        _models.check_models(chat_config(recording=RecordingConfig(file=str(tmp_path / recording))))


def test_looking_at_a_recording_leaves_it_as_it_was(tmp_path):
    recording = tmp_path / "recording"
    _models.check_models(chat_config(recording=RecordingConfig(file=str(recording))))
    assert not recording.exists()
    recording.write_text("old\n")
    _models.check_models(chat_config(recording=RecordingConfig(file=str(recording))))
    assert recording.read_text() == "old\n"


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "MY_KEY"])
def test_a_key_that_no_header_can_carry_is_told_before_a_run_is_made(variable, monkeypatch):
    monkeypatch.setenv(variable, SECRET + "\r\n" + SECRET)
    config = chat_config(key_variable=None if variable == "OPENAI_API_KEY" else variable)
    with pytest.raises(UsageError, match=f"^{variable} holds a character that no key has") as refused:
        _models.check_models(config)
    assert SECRET not in str(refused.value)


def test_white_space_is_no_key(near, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", " \r\n")
    config, told = near("", llm=ONE, evaluations=5, usd=1.0), []
    config.llm = replace(config.llm, base_url=None)
    start(config, announce=told.append)
    assert told[0].no_models.startswith("ANTHROPIC_API_KEY is not set")


def run(near, server, **more):
    summary = start(near(server.url + ("/v1" if more.get("provider") == "openai" else ""), llm=ONE, **({"calls": 4} | more)))
    return summary, records_of(Path(summary.run))


def test_a_run_writes_no_key_anywhere(near, monkeypatch, tmp_path):
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET + "\r\n")
    lines = [Say(400, body={"error": {"type": "invalid_request_error", "message": f"what is {SECRET}?"}}), f"I know {SECRET}."]
    with AnsweringServer(lambda asked: lines.pop(0) if lines else f"no edit, {SECRET}", key=SECRET) as server:
        _, records = run(near, server)
        assert {heard.key for heard in server.asks()} == {SECRET}
    assert any("[key]" in record.reason for record in of(records, CallSettled))
    assert SECRET not in repr(records)
    for path in (tmp_path / "run").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_half_a_pair_of_surrogates_in_an_answer_that_is_repaired(near, provider):
    def answer(asked):
        if asked.turns > 1:
            return "HYPOTHESIS: h\n\nfile: main.py\n<<<<<<< SEARCH\nX = 0.25\n=======\nX = 0.31\n>>>>>>> REPLACE\n"
        words = "\ud800 no edit \udfff"
        if provider == "openai":
            return chat(words)
        return Say(events=(begun(), *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": words}), *finish()))

    with AnsweringServer(answer) as server:
        summary, records = run(near, server, provider=provider)
        assert "\ufffd no edit \ufffd" in str(server.asks()[1].body)
    assert ends(records)[0][0] == "child"
    assert summary.status == "done"


def test_an_absurd_count_does_not_end_a_run_and_is_told(near):
    lines = [chat("no edit", usage={"prompt_tokens": 10**400, "completion_tokens": 5})]
    with AnsweringServer(lambda asked: lines.pop() if lines else "no edit") as server:
        summary, records = run(near, server, provider="openai")
    first = of(records, CallSettled)[0]
    assert (first.outcome, first.usd) == ("ok", of(records, CallReserved)[0].worst_usd)
    assert [record.text for record in of(records, Event) if record.what == "model"] == [first.reason]
    assert "counted more tokens than a request can have" in first.reason
    assert summary.status == "done"


def test_an_error_of_authentication_in_one_answer_masks_no_model(near):
    broken = ("error", {"type": "error", "error": {"type": "authentication_error", "message": "who?"}})
    lines = [Say(events=(begun(), broken))] * 2
    with AnsweringServer(lambda asked: lines.pop() if lines else "no edit") as server:
        _, records = run(near, server)
        assert len(server.asks()) == 4
    assert ends(records)[0] == ("failed", "server_error")
