"""Requests: whole or not at all, carried out once."""

from __future__ import annotations

import json

import pytest

from evolve._config import SearchConfig, StopConfig
from evolve._contract import Budget, Contract, Stage
from evolve._errors import UsageError
from evolve._inbox import InboxWatcher, Request, inbox_folder, post, waiting, withdraw
from evolve._search import Search
from evolve._verbs import answer, budget_record


@pytest.fixture
def search():
    contract = Contract(name="p", metric="m", goal="maximize", stages=(Stage(name="full"),))
    return Search(contract=contract, problem="p@0", config=SearchConfig(), stop=StopConfig(), budget=Budget(evaluations=5), seed=0)


def test_requests_are_read_in_the_order_they_were_left(tmp_path):
    left = [post(tmp_path, "note", json.dumps({"text": str(i)})) for i in range(3)]
    assert list(waiting(tmp_path)) == left
    assert withdraw(tmp_path, left[0])
    assert not withdraw(tmp_path, left[0])
    assert list(waiting(tmp_path)) == left[1:]


@pytest.mark.parametrize(
    "rubbish", [b"", b"{", b"[]", b'{"verb": "stop"}', b"\xff\xfe", b'{"verb":"note","body":"' + b"x" * (1 << 20) + b'"}']
)
def test_a_file_that_is_no_request_cannot_stop_a_run(tmp_path, rubbish):
    inbox_folder(tmp_path).mkdir()
    (inbox_folder(tmp_path) / "abc.json").write_bytes(rubbish)
    good = post(tmp_path, "stop", "{}")
    assert list(waiting(tmp_path)) == [good]
    assert [path.name for path in inbox_folder(tmp_path).iterdir()] == [f"{good.id}.json"]


def test_the_watcher_hands_each_request_over_once(tmp_path):
    from queue import Empty, SimpleQueue

    seen = SimpleQueue()
    watcher = InboxWatcher(tmp_path, seen.put, every_s=0.01)
    left = post(tmp_path, "stop", "{}")
    assert seen.get(timeout=5) == left
    with pytest.raises(Empty):
        seen.get(timeout=0.1)
    watcher.close()


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
    (record,) = answer(search, Request("id", verb, body), None, 0.0)
    assert not record.accepted
    assert words in json.loads(record.answer)["error"]


def test_effects_carry_the_id_of_their_request_and_come_before_the_answer(search):
    effect, reply = answer(search, Request("id", "budget", '{"evaluations": 9}'), None, 0.0)
    assert effect.evaluations == 9
    assert effect.request == reply.request == "id"
    assert reply.accepted


def test_limits_that_are_not_named_stay(search):
    record = budget_record(search, {"wall_s": 5})
    assert (record.evaluations, record.wall_s) == (5, 5)
    with pytest.raises(UsageError):
        budget_record(search, {"dollars": 5})
