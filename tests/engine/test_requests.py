"""What is asked of a run is answered: with records, or with the reason why not."""

from __future__ import annotations

import json
import time

import pytest

import evolve
from evolve._errors import RunError, RunLocked, UsageError
from evolve.config._schema import RunConfig, SearchConfig, StopConfig
from evolve.engine._session import create
from evolve.engine.registry._registry import parts_of
from evolve.engine.requests import _client, _external
from evolve.engine.requests._background import Background
from evolve.engine.requests._handlers import budget_record, handle
from evolve.problem.contract._contract import MAX_BYTES, Budget, Contract, Stage
from evolve.runs._folder import Hold, RunLock
from evolve.runs._inbox import MAX_REQUEST_BYTES, Request
from evolve.search._search import Search


@pytest.fixture
def search():
    contract = Contract(name="p", metric="m", goal="maximize", stages=(Stage(name="full"),))
    parts, budget = parts_of(RunConfig()), Budget(evaluations=5)
    return Search(contract=contract, problem="p@0", config=SearchConfig(), stop=StopConfig(), budget=budget, seed=0, parts=parts)


@pytest.mark.parametrize(
    ("verb", "body", "words"),
    [
        ("fly", "{}", "found 'fly'"),
        ("budget", '{"evaluation": 5}', "found budget.evaluation"),
        ("budget", '{"evaluations": -1}', "above 0"),
        ("budget", '{"evaluations": 1.5}', "whole number"),
        ("budget", "[]", "JSON object"),
        ("note", "}", "JSON object"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_with_the_reason(search, verb, body, words):
    (record,) = handle(search, Request("id", verb, body), None, 0.0)
    assert not record.accepted
    assert words in json.loads(record.answer)["error"]


def test_effects_carry_the_id_of_their_request_and_come_before_the_answer(search):
    effect, reply = handle(search, Request("id", "budget", '{"evaluations": 9}'), None, 0.0)
    assert effect.evaluations == 9
    assert effect.request == reply.request == "id"
    assert reply.accepted


def test_limits_that_are_not_named_stay(search):
    record = budget_record(search, {"wall_s": 5})
    assert (record.evaluations, record.wall_s) == (5, 5)
    with pytest.raises(UsageError):
        budget_record(search, {"dollars": 5})


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("budget", '{"wall_s": 1e400}'),
        ("budget", '{"wall_s": NaN}'),
        ("budget", '{"evaluations": ' + "9" * 400 + "}"),
        ("note", "[" * 100_000),
        ("ask", '{"expires_s": Infinity}'),
    ],
)
def test_what_no_record_can_hold_is_refused(search, verb, body):
    (record,) = handle(search, Request("id", verb, body), None, 0.0)
    assert not record.accepted
    assert "must be a JSON object" in json.loads(record.answer)["error"]


@pytest.mark.parametrize(
    ("verb", "body"), [("note", '{"text": "\\ud800"}'), ("tell", '{"ticket": 1, "files": {"main.py": "\\udfff"}}')]
)
def test_text_that_is_no_unicode_is_called_that(search, verb, body):
    (record,) = handle(search, Request("id", verb, body), None, 0.0)
    assert not record.accepted
    assert f"{verb} takes Unicode text, found bytes that are not UTF-8" in json.loads(record.answer)["error"]


@pytest.mark.parametrize("letter", ["\x01", "\\", '"', "\x7f", "é", "€", "\U0001f600"])
def test_a_request_holds_what_a_contract_may_allow_however_it_is_escaped(letter):
    text = letter * 1000
    request = json.dumps({"verb": "tell", "body": json.dumps({"files": {"a": text}})})
    assert len(request) / len(text.encode()) * MAX_BYTES < MAX_REQUEST_BYTES


def test_tickets_that_expired_leave_room(plain, monkeypatch):
    monkeypatch.setattr(_external, "MAX_OPEN", 2)
    run = evolve.open_run(create(plain(evaluations=20)).path)
    for _ in range(2):
        run.ask(expires_s=0.2)
    time.sleep(0.3)
    for _ in range(2):
        run.ask()
    with pytest.raises(UsageError, match="2 tickets are with people and agents already"):
        run.ask()


def test_a_driver_that_does_not_answer_is_waited_for_as_long_as_is_said(plain, monkeypatch):
    monkeypatch.setattr(_client, "ANSWER_S", 0.25)
    run = create(plain(evaluations=20))
    with RunLock(run, Hold.OPEN):
        with pytest.raises(RunLocked, match=r"did not answer in 0\.25 s; try again"):
            _client.send_request(run, "note", {"text": "x"})
        with pytest.raises(RunLocked, match=r"did not answer in 0\.1 s; try again"):
            _client.send_request(run, "note", {"text": "x"}, 0.1)


def test_what_goes_wrong_while_a_run_is_opened_reaches_whoever_waits(plain):
    run = create(plain(evaluations=20))
    (run.path / "run.json").write_text('{"format": 99}')
    with Background(run.path) as opening:
        opening.wait(time.monotonic() + 60)
        with pytest.raises(RunError, match="holds a run of another format"):
            opening.check()
