"""Requests: whole or not at all, carried out once."""

from __future__ import annotations

import json
import os
import threading

import pytest

from evolve._config import SearchConfig, StopConfig
from evolve._contract import Budget, Contract, Stage
from evolve._errors import RunLocked, UsageError
from evolve._inbox import InboxWatcher, Request, inbox_folder, post, waiting, withdraw
from evolve._rundir import RunDir, RunLock, is_driven
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


def test_a_request_that_goes_while_it_is_looked_at_stops_nobody(tmp_path):
    first, second, third = (post(tmp_path, "note", json.dumps({"text": str(i)})) for i in range(3))
    looking = waiting(tmp_path)
    assert next(looking) == first
    withdraw(tmp_path, second)
    assert list(looking) == [third]


def test_what_is_larger_than_a_driver_reads_is_not_left(tmp_path):
    with pytest.raises(UsageError, match="a request may have"):
        post(tmp_path, "tell", "x" * (1 << 20))
    assert list(inbox_folder(tmp_path).iterdir()) == []


def test_looking_whether_a_run_is_driven_keeps_nobody_from_driving_it(tmp_path):
    run, over = RunDir(tmp_path, "x"), threading.Event()
    RunLock(run).release()

    def look():
        while not over.wait(0.001):
            is_driven(run)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(200):
            RunLock(run).release()
    finally:
        over.set()
        for looker in lookers:
            looker.join()
    with RunLock(run), pytest.raises(RunLocked, match=str(os.getpid())):
        RunLock(run)


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


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, '{"verb":"note","body":' + "[" * 100_000, '{"verb":"no\\ud800te","body":"{}"}', "[]", '"x"', "\x00"],
)
def test_a_file_that_is_no_request_is_removed_and_stops_nobody(tmp_path, text):
    left = post(tmp_path, "stop", "{}")
    (tmp_path / "inbox" / "aaaaaaaaaaaaaaaa.json").write_text(text)
    assert [request.id for request in waiting(tmp_path)] == [left.id]
    assert [path.name for path in (tmp_path / "inbox").iterdir()] == [f"{left.id}.json"]


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("budget", '{"wall_s": 1e400}'),
        ("budget", '{"wall_s": NaN}'),
        ("budget", '{"evaluations": ' + "9" * 400 + "}"),
        ("note", '{"text": "\\ud800"}'),
        ("note", "[" * 100_000),
        ("ask", '{"expires_s": Infinity}'),
        ("tell", '{"ticket": 1, "files": {"main.py": "\\udfff"}}'),
    ],
)
def test_what_no_record_can_hold_is_refused(search, verb, body):
    (record,) = answer(search, Request("id", verb, body), None, 0.0)
    assert not record.accepted
    assert "must be a JSON object" in json.loads(record.answer)["error"]
