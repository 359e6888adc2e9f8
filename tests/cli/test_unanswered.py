"""Runs whose children come from models alone and that no model answers: how they end, in which words, and how they go on."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import anthropic  # noqa: F401  the first import takes a second or two
import pytest
from cli_process import SETTINGS, Cli, Say, n_records, wait_for

import evolve
from evolve.budget import _model_limits
from evolve.testing import AnsweringServer, Asked, move_a_number
from evolve.testing import Say as Answer

ALONE = ("search.operators=[]", "llm=openai", "llm.models=[m]", "llm.prices=*=1/5", "llm.max_attempts=1", "llm.max_concurrency=2")
PAGE = Answer(headers={"content-type": "text/html"}, body=b"<html><title>Router</title>Please log in")
Start = Callable[..., tuple[str, ...]]


@pytest.fixture
def words(problem: Path, tmp_path: Path) -> Start:
    """The words of a run that asks a server at ``url``; what is given replaces what is usual."""
    usual = (f"problem={problem}", f"out={tmp_path / 'run'}", *ALONE, *SETTINGS)

    def make(url: str, *given: str) -> tuple[str, ...]:
        keys = {word.partition("=")[0] for word in given}
        return ("run", f"llm.base_url={url}/v1", *(word for word in usual if word.partition("=")[0] not in keys), *given)

    return make


@pytest.fixture
def port() -> int:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rest of a second."""
    monkeypatch.setattr(_model_limits, "REST_S", 1.0)


def replayed(run: Path) -> tuple[str, str]:
    """How a run stands where nothing but its records is read."""
    for path in run.glob("checkpoint.*"):
        path.unlink()
    opened = evolve.open_run(run)
    return opened.status, opened.summary().reason


@pytest.mark.slow
def test_a_page_in_a_servers_place_ends_the_run_in_one_sentence_and_resume_goes_on_once_it_is_mended(
    cli: Cli, words: Start, tmp_path: Path
) -> None:
    run, broken = tmp_path / "run", [True]
    with AnsweringServer(lambda asked: PAGE if broken else move_a_number(asked)) as server:
        code, out, err = cli(*words(server.url, "budget.usd=1"))
        assert code == 1, err
        told = (
            f"no model ever answered; found at {server.url}/v1: openai-compatible answered 200 with a page: Router Router Please "
            "log in; check llm.base_url: it must lead to the API itself, with its version (.../v1); "
            f"mend that (another llm.base_url needs a new run) and type: evolve resume {run}"
        )
        assert out.startswith(f"ended    degraded: {told}\n")
        assert out.rstrip().endswith(f"\n  evolve resume {run}")
        status = json.loads(cli("status", str(run), "--json")[1])
        assert (status["status"], status["reason"]) == ("degraded", told)
        assert f"degraded ({told})" in cli("status", str(run))[1]
        broken.clear()
        code, out, err = cli("resume", str(run), "budget.calls=12", "--json")
    assert (code, json.loads(out)["status"], json.loads(out)["reason"]) == (0, "done", "budget.calls"), err
    assert json.loads(out)["candidates"] > 0


def test_a_server_that_asks_for_more_time_than_there_is_is_told_with_the_time_and_not_as_something_to_mend(
    cli: Cli, words: Start, tmp_path: Path
) -> None:
    busy = Answer(
        status=429, headers={"retry-after": "3600"}, body=b'{"error": {"message": "slow down", "type": "rate_limit_error"}}'
    )
    with AnsweringServer(lambda asked: busy) as server:
        code, out, err = cli(*words(server.url, "budget.wall_s=20"))
    assert code == 1, err
    told = out.partition("degraded: ")[2].partition("\n")[0]
    assert told.endswith(f"; it only takes time (its server asks for 3600 s): later, type: {told.rpartition('type: ')[2]}")
    assert told.rpartition("type: ")[2].startswith(f"evolve resume {tmp_path / 'run'}")
    assert "mend" not in told


def test_a_closed_port_ends_the_run_after_one_rest_and_again_after_resume(
    say: Say, words: Start, port: int, tmp_path: Path, short: None
) -> None:
    run, url = tmp_path / "run", f"http://127.0.0.1:{port}"
    out = say(*words(url, "budget.usd=1"), code=1)
    assert f"degraded: no model ever answered: nothing listens at {url}/v1 (openai-compatible: no connection (Conn" in out
    assert f"; start the server (another llm.base_url needs a new run) and type: evolve resume {run}\n" in out
    asked = n_records(run, "call_settled")
    assert 6 <= asked <= 10  # five, then whoever was in flight, and once more after the rest
    assert replayed(run) == (json.loads(say("status", run, "--json"))["status"], json.loads(say("status", run, "--json"))["reason"])
    say("resume", run, code=1)
    assert 6 <= n_records(run, "call_settled") - asked <= 10
    with AnsweringServer(port=port):
        say("resume", run, "budget.calls=40")


def test_a_server_that_comes_up_within_the_rest_saves_the_run(
    say: Say, words: Start, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_model_limits, "REST_S", 4.0)
    run, done, up = tmp_path / "run", threading.Event(), []

    def late() -> None:
        wait_for(lambda: n_records(run, "proposed") >= 6)  # the initial program's among them
        with AnsweringServer(port=port):
            up.append(True)
            done.wait(60)

    server = threading.Thread(target=late)
    server.start()
    try:
        answer = json.loads(say(*words(f"http://127.0.0.1:{port}", "budget.calls=20", "--json")))
    finally:
        done.set()
        server.join()
    assert up
    assert (answer["status"], answer["reason"]) == ("done", "budget.calls")
    assert answer["candidates"] > 0
    assert answer["models"]["unanswered"]["unreachable"] >= 5


@pytest.mark.slow
def test_a_run_that_a_model_once_answered_rests_and_goes_on(
    say: Say, words: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_model_limits, "REST_S", 0.2)
    n = [0]

    def answer(asked: Asked) -> str | Answer:
        n[0] += 1
        return Answer(events=(), end="cut") if 1 < n[0] <= 10 else move_a_number(asked)

    with AnsweringServer(answer) as server:
        found = json.loads(say(*words(server.url, "budget.calls=20", "llm.max_concurrency=1", "--json")))
    assert (found["status"], found["reason"]) == ("done", "budget.calls")
    assert (found["models"]["lost"]["cut_stream"], n[0]) == (9, 20)  # five, and four rests after which it failed again


@pytest.mark.slow
def test_where_operators_make_children_too_they_go_on_until_the_models_had_their_rest(
    say: Say, words: Start, port: int, tmp_path: Path, short: None
) -> None:
    more = ("search.operators=[ast_edit]", "--json")
    found = json.loads(say(*words(f"http://127.0.0.1:{port}", "budget.evaluations=60", "budget.usd=1", *more)))
    assert (found["status"], found["reason"]) == ("done", "budget.evaluations")
    alone = json.loads(say(*words(f"http://127.0.0.1:{port}", "budget.usd=1", f"out={tmp_path / 'two'}", *more), code=1))
    assert alone["status"] == "degraded"
    assert "nothing listens at" in alone["reason"]
    assert alone["candidates"] > 0


@pytest.mark.parametrize(("limit", "more"), [("budget.wall_s=10", "budget.wall_s="), ("budget.calls=4", "budget.calls=8")])
def test_a_limit_that_is_reached_before_any_answer_is_no_success(
    say: Say, words: Start, port: int, tmp_path: Path, limit: str, more: str
) -> None:
    out = say(*words(f"http://127.0.0.1:{port}", limit), code=1)
    assert "degraded: no model ever answered: nothing listens at" in out
    assert f"and type: evolve resume {tmp_path / 'run'} {more}" in out
    assert out.count(f"evolve resume {tmp_path / 'run'} {more}") == 2


def test_where_no_model_can_be_asked_any_more_and_no_operator_finds_anything_to_change_the_run_ends(
    say: Say, words: Start, problem: Path
) -> None:
    (problem / "initial" / "main.py").write_text("def point(sleep):\n    return [len('x'), len('y')]\n")  # nothing to tune
    with AnsweringServer(lambda _: "I would rather not.") as server:
        limits = ("budget.calls=2", "budget.evaluations=60")
        found = json.loads(say(*words(server.url, "search.operators=[tune]", *limits, "--json")))
    assert found["status"] == "done"
    assert found["reason"].startswith("exhausted: no operator finds anything more to change")
