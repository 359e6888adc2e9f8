"""Message batches through the official client, against a server of our own: a call in one is a slow call."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from dataclasses import replace

import pytest
from batch_world import COST, CREATE, batches, echo, given_up, ids_at, played
from call_world import PLAIN, World, until

from archive import CallReserved, CallSettled
from evolve.budget._ledger import Amount
from evolve.models import (
    AnthropicBatches,
    CallFailure,
    FailureKind,
    ModelReply,
    RecordingProvider,
    ReplayProvider,
    TokenUsage,
    Tool,
    ask,
)
from evolve.testing import ModelServer, Say
from evolve.testing.models._says import error, errored, succeeded


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_calls_share_a_batch_and_each_gets_its_own_answer_for_half_the_price():
    async def scene(world, server):
        outcomes = await asyncio.gather(*(world.ask(n, ask("m", f"text {n}", 100)) for n in range(3)))
        return outcomes, world, server

    outcomes, world, server = played(scene, server={"verdict": echo})
    assert [outcome.answer.text for outcome in outcomes] == ["text 0", "text 1", "text 2"]
    assert {outcome.usd for outcome in outcomes} == {COST / 1e9}
    assert server.count(CREATE) == 1
    assert [record.kind for record in world.book.records] == ["call_reserved"] * 3 + ["call_settled"] * 3
    assert world.book.texts[:3] == ["the new part"] * 3
    assert sorted(world.book.texts[3:]) == ["text 0", "text 1", "text 2"]
    first = [record for record in world.book.records[:3] if isinstance(record, CallReserved)]
    assert len(set(ids_at(server))) == 3
    assert json.loads(first[0].price) == {"source": "own, batch", "input": ["0.5"], "output": ["5"]}
    assert (world.ledger.settled, world.ledger.reserved) == (Amount(3 * COST, 3 * 17, 3), Amount())


def test_what_is_sent_is_a_message_without_its_stream():
    request = replace(ask("m", "x", 64), effort="low", extra='{"seed": 3}')

    async def scene(world, server):
        await world.ask(request=request)
        return server

    server = played(scene, wait_s=0.0)
    (sent,) = next(each for each in server.heard if each.method == "POST").body["requests"]
    assert sent["params"] == {
        "model": "m",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
        "output_config": {"effort": "low"},
        "seed": 3,
    }
    assert AnthropicBatches().request_bytes(request) >= len(json.dumps(sent["params"], separators=(",", ":")).encode())


def test_batches_are_as_large_as_they_may_be():
    async def scene(world, server):
        await asyncio.gather(*(world.ask(n) for n in range(7)))
        return sorted(len(batch.requests) for batch in server.batches.kept.values())

    assert played(scene) == [1, 3, 3]


def test_reservations_are_durable_before_the_batch_is_created():
    created = []

    async def scene(world, server):
        world.book._on_reserved = lambda: created.append(server.batches.created)
        await asyncio.gather(*(world.ask(n) for n in range(2)))

    played(scene)
    assert created == [0, 0]


RESULTS = {
    "errored": (errored("invalid_request_error", "bad\nwords"), FailureKind.BAD_REQUEST, 0, 0),
    "canceled": ({"type": "canceled"}, FailureKind.CANCELED, 0, 0),
    "expired": ({"type": "expired"}, FailureKind.EXPIRED, 0, 0),
    "too long": (succeeded("a", stop="max_tokens"), FailureKind.MAX_TOKENS, COST, 17),
    "refused": (succeeded("", stop="refusal"), FailureKind.REFUSAL, COST, 17),
    "unknown": ({"type": "mystery"}, FailureKind.WRONG_FORM, None, None),
    "uncounted": (succeeded("a", usage={}, stop="max_tokens"), FailureKind.MAX_TOKENS, None, None),
}


@pytest.mark.parametrize(("result", "kind", "nano", "tokens"), RESULTS.values(), ids=RESULTS)
def test_results_that_are_no_replies_are_settled_failures(result, kind, nano, tokens):
    async def scene(world, server):
        return await world.ask(), world

    outcome, world = played(scene, server={"verdict": lambda place, params: result}, wait_s=0.0)
    assert isinstance(outcome.answer, CallFailure)
    assert (outcome.answer.kind, outcome.calls) == (kind, 1)
    assert "\n" not in outcome.answer.sentence
    (settled,) = world.book.settlements
    worst = world.book.records[0]
    assert settled.usd == (worst.worst_usd if nano is None else nano / 1e9)
    assert settled.tokens_in + settled.tokens_out + settled.tokens_assumed == (worst.worst_tokens if tokens is None else tokens)
    assert world.ledger.reserved == Amount()


def test_a_call_that_an_overloaded_server_gave_up_goes_into_another_batch():
    results = iter([errored("overloaded_error"), None])

    async def scene(world, server):
        return await world.ask(first_call=4), world, server

    outcome, world, server = played(scene, server={"verdict": lambda place, params: next(results)}, wait_s=0.0)
    assert (server.batches.created, outcome.calls, outcome.usd) == (2, 2, COST / 1e9)
    assert [(record.call, record.outcome, record.usd) for record in world.book.settlements] == [
        (4, "overloaded", 0.0),
        (5, "ok", COST / 1e9),
    ]
    assert len(set(ids_at(server))) == 2


def test_a_tool_call_and_a_format():
    tool = replace(PLAIN, tool=Tool("edit", "Change it.", '{"type": "object"}'))

    async def scene(world, server):
        return await asyncio.gather(world.ask(1, tool), world.ask(2, replace(PLAIN, format="{}")))

    called, text = played(scene)
    assert called.answer.tool_input == {"value": 3}
    assert text.answer.kind is FailureKind.WRONG_FORM


@pytest.mark.parametrize(
    "trouble", [error(500, "api_error"), error(429, "rate_limit_error"), Say(body=b"{garbled"), Say(events=(), end="cut")]
)
def test_trouble_while_asking_for_a_batch_passes(trouble):
    async def scene(world, server):
        return await world.ask(), server

    outcome, server = played(scene, None, trouble, trouble, None, None, trouble, wait_s=0.0)
    assert isinstance(outcome.answer, ModelReply)
    assert server.batches.created == 1


@pytest.mark.parametrize(
    ("say", "calls", "charged"),
    [
        (error(400, "invalid_request_error"), 1, False),
        (error(529, "overloaded_error"), 2, False),
        (Say(events=(), end="cut"), 2, True),
    ],
    ids=["refused", "overloaded", "cut"],
)
def test_a_batch_that_is_not_created(say, calls, charged):
    """What the server refuses costs nothing; where the connection breaks, the batch may be there."""

    async def scene(world, server):
        return await world.ask(), world

    outcome, world = played(scene, say, wait_s=0.0)
    first = world.book.settlements[0]
    assert outcome.calls == calls
    assert first.usd == (world.book.records[0].worst_usd if charged else 0)
    assert isinstance(outcome.answer, ModelReply) == (calls == 2)
    assert world.ledger.reserved == Amount()


def test_a_call_given_up_while_it_is_gathered_is_not_sent():
    async def scene(world, server):
        other = asyncio.create_task(world.ask(1))
        task = asyncio.create_task(world.ask(2))
        await until(lambda: len(world.book.records) == 2)
        await asyncio.sleep(0)
        await given_up(task)
        return await other, world, server

    outcome, world, server = played(scene, wait_s=0.2)
    assert isinstance(outcome.answer, ModelReply)
    assert len(ids_at(server)) == 1
    lost = next(record for record in world.book.settlements if record.attempt.ticket == 2)
    assert (lost.outcome, lost.usd) == ("lost", world.book.records[1].worst_usd)
    assert world.ledger.reserved == Amount()


@pytest.mark.parametrize("say", [Say(events=(), end="stall"), None], ids=["being created", "worked on"])
def test_a_call_given_up_in_a_batch_is_charged_in_full(say):
    async def scene(world, server):
        task = asyncio.create_task(world.ask())
        await until(lambda: len(server.heard) >= (1 if say else 4))
        await given_up(task)
        return world

    world = played(scene, say, wait_s=0.0, server={"polls": 10**9})
    reserved, settled = world.book.records
    assert (settled.outcome, settled.usd) == ("lost", reserved.worst_usd)
    assert world.ledger.reserved == Amount()


def _forgotten(server):
    server.batches.kept.clear()


def _emptied(server):
    server.batches.kept["msgbatch_1"].requests.clear()


def _archived(server):
    server.batches.kept["msgbatch_1"].archived = True


def _refused(server):
    server.script[:] = [error(401, "authentication_error")]


LATER = {
    "its key is taken away": (_refused, FailureKind.AUTH),
    "it is gone": (_forgotten, FailureKind.NOT_FOUND),
    "it lacks the call": (_emptied, FailureKind.NOT_FOUND),
    "its results are kept no longer": (_archived, FailureKind.NOT_FOUND),
}


@pytest.mark.parametrize(("later", "kind"), LATER.values(), ids=LATER)
def test_a_batch_whose_results_cannot_be_had_is_charged_in_full(later, kind):
    async def scene(world, server):
        task = asyncio.create_task(world.ask())
        await until(lambda: server.batches.created == 1)
        later(server)
        server.batches.kept.get("msgbatch_1", world).polls = 0
        return await task, world

    outcome, world = played(scene, wait_s=0.0, server={"polls": 10**9})
    reserved, settled = world.book.records
    assert (outcome.answer.kind, outcome.calls) == (kind, 1)
    assert settled.usd == settled.usd_assumed == outcome.usd == reserved.worst_usd > COST / 1e9
    assert world.ledger.reserved == Amount()


def test_closing_cancels_those_who_wait():
    async def scene(world, server):
        gathered = asyncio.create_task(world.ask(1))
        await until(lambda: len(world.book.records) == 1)
        await asyncio.sleep(0)
        await world.caller.provider.close()
        await asyncio.gather(gathered, return_exceptions=True)
        return gathered.cancelled(), server

    cancelled, server = played(scene, wait_s=60.0)
    assert cancelled
    assert ids_at(server) == []


def test_without_a_caller():
    async def scene(world, server):
        return await world.caller.provider.call(PLAIN)

    assert played(scene, wait_s=0.0) == ModelReply("hello", "end_turn", TokenUsage(10, output=7), None, "claude-test")


def test_a_batch_has_no_more_bytes_than_are_taken(monkeypatch):
    monkeypatch.setattr("evolve.models.anthropic._batches._MOST_BYTES", 2 * AnthropicBatches().request_bytes(PLAIN))

    async def scene(world, server):
        await asyncio.gather(*(world.ask(n) for n in range(5)))
        return sorted(len(batch.requests) for batch in server.batches.kept.values())

    assert played(scene, most=100) == [1, 2, 2]


def test_a_recording_takes_answers_from_batches_at_half_the_price(tmp_path):
    async def scene():
        async with ModelServer() as server:
            world = World(RecordingProvider(batches(server, wait_s=0.0), tmp_path / "recording"))
            outcome = await world.ask()
            await world.caller.provider.close()
            return outcome

    outcome = asyncio.run(scene())
    assert outcome.usd == COST / 1e9
    assert asyncio.run(ReplayProvider(tmp_path / "recording").call(PLAIN)) == outcome.answer


@pytest.mark.parametrize("most", [0, 100_001])
def test_a_batch_of_an_impossible_size(most):
    with pytest.raises(ValueError, match=f"most is {most}"):
        AnthropicBatches(most=most)


@pytest.mark.parametrize("seed", range(6))
def test_whenever_calls_are_given_up_every_one_is_settled_once(seed):
    """Forty calls, half of them given up at random moments: none is charged twice, forgotten, or charged less than it cost."""
    draws = random.Random(seed)

    async def play():
        async with ModelServer(delay_s=0.003, polls=2, verdict=echo) as server:
            provider = batches(server, most=5, wait_s=0.01)
            world = World(provider, in_flight=100)

            async def now_and_then(ticket: int, start_s: float, patience_s: float | None) -> None:
                await asyncio.sleep(start_s)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        await world.ask(ticket)

            patience = [draws.choice((None, draws.random() * 0.03)) for _ in range(40)]
            await asyncio.gather(*(now_and_then(n, draws.random() * 0.1, patience[n]) for n in range(40)))
            await provider.close()
            return world, server, patience

    world, server, patience = asyncio.run(play())
    reserved = {(each.attempt.ticket, each.call): each for each in world.book.records if isinstance(each, CallReserved)}
    closed = [each for each in world.book.records if isinstance(each, CallSettled)]
    # Given up before its reservation was written: nothing was sent, and the book says so all the same.
    settled = [each for each in closed if (each.attempt.ticket, each.call) in reserved]
    assert all((each.usd, each.reason) == (0.0, "never sent") for each in closed if each not in settled)
    assert sorted((each.attempt.ticket, each.call) for each in settled) == sorted(reserved)  # a busy machine makes a try more
    assert (world.ledger.reserved, world.ledger.overrun) == (Amount(), Amount())
    for each in settled:
        full, whole = reserved[each.attempt.ticket, each.call].worst_usd, patience[each.attempt.ticket] is None
        assert each.usd == COST / 1e9 if whole else each.usd in (COST / 1e9, full, 0.0)
    at_server = ids_at(server)
    assert len(set(at_server)) == len(at_server) <= len(reserved)
