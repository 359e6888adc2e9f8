"""A caller: slots, reservations before requests, waits, tries again, settlements."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import numpy as np
import pytest
from call_world import ATTEMPT, BACKOFF, PLAIN, PRICES, World, failure

from archive import CallSettled
from evolve._errors import ConfigError
from evolve.budget._ledger import Amount, Caps
from evolve.models import AnthropicProvider, CallFailure, CallResult, FailureKind, ModelReply, Scripted, TokenUsage, ask
from evolve.testing import ModelServer, Say
from evolve.testing.models._says import error, message

REPLY = ModelReply("done", "end_turn", TokenUsage(input=20, output=5))


def test_a_reply_is_reserved_before_and_settled_after():
    seen = []
    world = World(Scripted(lambda request: seen.append(list(world.book.records)) or REPLY, prices_from="own"))
    outcome = asyncio.run(world.ask(first_call=5))
    reserved, settled = world.book.records
    assert seen == [[reserved]]
    assert outcome == CallResult(REPLY, 1, 70e-6)
    assert (reserved.attempt, reserved.call, reserved.provider, reserved.model) == (ATTEMPT, 5, "scripted", "m")
    assert settled == CallSettled(ATTEMPT, 5, "ok", 70e-6, 20, 5)
    assert reserved.worst_usd > settled.usd
    assert world.ledger.settled == Amount(70_000, 25, 1)


def test_a_model_without_a_price_is_an_error_before_anything_is_sent():
    provider = Scripted("a", prices_from="anthropic")
    world = World(provider)
    with pytest.raises(ConfigError, match="no price"):
        asyncio.run(world.caller.ask(ATTEMPT, ask("nonesuch", "x", 1), np.random.default_rng(0), prompt="x"))
    assert (provider.requests, world.book.records) == ([], [])


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if kind is not FailureKind.OVER_BUDGET])
def test_each_kind_is_final_or_tried_again(kind):
    world = World(Scripted([failure(kind), REPLY]))
    outcome = asyncio.run(world.ask())
    again = kind in {
        "rate_limited",
        "overloaded",
        "server_error",
        "unreachable",
        "timeout",
        "no_answer",
        "cut_stream",
        "garbled",
        "dialect",
        "no_stop_reason",
    }
    assert (outcome.calls, isinstance(outcome.answer, ModelReply)) == ((2, True) if again else (1, False))
    outcomes = [record.outcome for record in world.book.records if isinstance(record, CallSettled)]
    assert outcomes == [kind, "ok"] if again else [kind]


def test_each_try_is_a_call_of_its_own_and_the_last_failure_is_the_answer():
    script = [failure(FailureKind.SERVER_ERROR, TokenUsage(input=n)) for n in (1, 2, 3, 4)]
    world = World(Scripted(script, prices_from="own"))
    outcome = asyncio.run(world.ask(first_call=2))
    assert (outcome.answer, outcome.calls, outcome.usd) == (script[3], 4, 10e-6)
    calls = [(record.kind, record.call) for record in world.book.records]
    assert calls == [(kind, call) for call in (2, 3, 4, 5) for kind in ("call_reserved", "call_settled")]
    assert len(world.time.slept) == 3


def test_the_book_is_given_what_is_new_and_what_came_of_it():
    half = replace(failure(FailureKind.CUT_STREAM), text="half of")
    world = World(Scripted([half, failure(FailureKind.OVERLOADED), ModelReply("so:", "tool_use", TokenUsage(), {"é": [1, "b"]})]))
    asyncio.run(world.ask())
    assert world.book.texts == ["the new part", "half of", "", "", "", '{"é":[1,"b"]}']


def test_waits_double_up_to_a_bound_and_are_drawn():
    world = World(Scripted([failure(FailureKind.SERVER_ERROR)] * 4))
    asyncio.run(world.ask())
    assert all(full / 2 <= slept < full for slept, full in zip(world.time.slept, (1, 2, 3), strict=True))
    other = World(Scripted([failure(FailureKind.SERVER_ERROR)] * 4))
    asyncio.run(other.ask(4))
    assert other.time.slept != world.time.slept


@pytest.mark.parametrize(("failed", "doubled"), [(1, 1), (2, 2), (3, 3), (50, 3)])
@pytest.mark.parametrize(("drawn", "share"), [(0.0, 0.5), (1.0, 1.0)])
def test_the_bounds_of_a_wait(failed, doubled, drawn, share):
    class Draws:
        def random(self) -> float:
            return drawn

    assert BACKOFF.wait_s(failure(FailureKind.SERVER_ERROR), failed, Draws()) == doubled * share


def test_a_server_that_asks_for_time_gets_it():
    world = World(Scripted([failure(FailureKind.RATE_LIMITED, retry_after_s=7), REPLY]))
    asyncio.run(world.ask())
    assert 7 <= sum(world.time.slept) < 8
    assert [settled.rest_s for settled in world.book.settlements] == [0, 0]


@pytest.mark.parametrize(("asked", "left_s"), [(86_400, math.inf), (51, math.inf), (20, 10.0), (50, 49.0)])
def test_a_server_that_asks_for_more_than_a_call_or_the_run_has_is_not_waited_for(asked, left_s):
    world = World(Scripted([failure(FailureKind.RATE_LIMITED, retry_after_s=asked), REPLY]))
    world.limiter.until(left_s)
    outcome = asyncio.run(world.ask())
    assert (outcome.answer.kind, outcome.calls, world.time.slept) == (FailureKind.RATE_LIMITED, 1, [])
    assert "Another try would have to wait" in outcome.answer.sentence
    assert [settled.rest_s for settled in world.book.settlements] == [asked]
    world.limiter.until(math.inf)
    assert isinstance(asyncio.run(world.ask(4)).answer, ModelReply)  # and keeps nobody else away


def test_no_try_is_waited_for_past_the_runs_end():
    world = World(Scripted([failure(FailureKind.SERVER_ERROR), REPLY]))
    world.limiter.until(0.2)
    assert asyncio.run(world.ask()).answer.kind is FailureKind.SERVER_ERROR
    assert (world.time.slept, [settled.rest_s for settled in world.book.settlements]) == ([], [0])


@pytest.mark.parametrize(
    ("kind", "asked", "time"),
    [
        (FailureKind.OVERLOADED, 20, 20),
        (FailureKind.RATE_LIMITED, 50, 50),
        (FailureKind.RATE_LIMITED, 86_400, 0),
        (FailureKind.RATE_LIMITED, None, 0),
        (FailureKind.SERVER_ERROR, 20, 0),
    ],
)
def test_everybody_leaves_a_busy_provider_alone(kind, asked, time):
    world = World(Scripted("a"))

    async def scene():
        world.limiter.on_failure(failure(kind, retry_after_s=asked))
        async with world.limiter.slot():
            return world.time.time

    assert asyncio.run(scene()) == time


def test_the_last_failure_of_one_call_still_keeps_the_others_away():
    world = World(Scripted([failure(FailureKind.RATE_LIMITED, retry_after_s=50)] * BACKOFF.tries))

    async def scene():
        await world.ask()
        before = world.time.time
        async with world.limiter.slot():
            return world.time.time - before

    assert asyncio.run(scene()) == 50


@pytest.mark.parametrize("in_flight", [1, 3])
def test_no_more_calls_at_a_time_than_there_are_slots(in_flight):
    now, most = 0, 0

    class Slow(Scripted):
        async def call(self, request):
            nonlocal now, most
            now += 1
            most = max(most, now)
            for _ in range(5):
                await asyncio.sleep(0)
            now -= 1
            return REPLY

    world = World(Slow("a"), in_flight=in_flight)

    async def scene():
        await asyncio.gather(*(world.ask(ticket) for ticket in range(10)))

    asyncio.run(scene())
    assert most == in_flight


@pytest.mark.parametrize(
    ("answer", "nano", "tokens"),
    [
        (failure(FailureKind.RATE_LIMITED), 0, 0),
        (failure(FailureKind.MAX_TOKENS, TokenUsage(input=20, output=100)), 20_000 + 1_000_000, 120),
        (failure(FailureKind.REFUSAL, TokenUsage(input=20, output=1)), 20_000 + 10_000, 21),
        (failure(FailureKind.CUT_STREAM, TokenUsage(input=20, output=1, output_known=False)), 20_000 + 1_000_000, 120),
        (failure(FailureKind.TIMEOUT, None), None, None),
        (ModelReply("done", "stop", None), None, None),
        (ModelReply("done", "stop", TokenUsage()), None, None),  # a text of no tokens: nobody counted
        (ModelReply("done", "stop", TokenUsage(input=20)), 20_000 + 1_000_000, 120),
        (ModelReply("done", "stop", TokenUsage(cached=20, output=3)), 20_000 + 30_000, 23),
    ],
)
def test_failures_are_charged_and_what_nobody_counted_in_full(answer, nano, tokens):
    world = World(Scripted([answer] * 4, prices_from="own"))
    asyncio.run(world.ask())
    reserved, settled = world.book.records[:2]
    assert settled.usd == (reserved.worst_usd if nano is None else nano / 1e9)
    worst = Scripted("").request_bytes(PLAIN) + 100
    assert settled.tokens_in + settled.tokens_out + settled.tokens_assumed == (worst if tokens is None else tokens)
    if tokens is None:
        assert (settled.tokens_in, settled.tokens_out, settled.usd_assumed) == (0, 0, settled.usd)
    assert world.ledger.overrun == Amount()


def test_what_does_not_fit_is_never_sent():
    provider = Scripted(REPLY, prices_from="own")
    world = World(provider, caps=Caps(usd=1e-4))
    outcome = asyncio.run(world.ask())
    assert outcome.answer.kind is FailureKind.OVER_BUDGET
    assert not outcome.answer.again
    assert (outcome.calls, outcome.usd, provider.requests, world.book.records) == (0, 0.0, [], [])


def test_calls_wait_for_room_instead_of_giving_up_and_never_break_a_cap():
    """Twenty calls of which the cap lets one at a time reserve its worst case: all fit, one after the other."""
    worst = PRICES.row("own", "m").quote(Scripted("").request_bytes(PLAIN), PLAIN).worst / 1e9
    cap = worst + 19 * 70e-6
    totals = []
    world = World(
        Scripted(lambda request: totals.append(world.ledger.settled + world.ledger.reserved) or REPLY), caps=Caps(usd=cap)
    )
    world.caller.provider.prices_from = "own"

    async def scene():
        return await asyncio.gather(*(world.ask(ticket) for ticket in range(21)))

    outcomes = asyncio.run(scene())
    assert [isinstance(outcome.answer, ModelReply) for outcome in outcomes].count(True) == 20
    assert [outcome.answer.kind for outcome in outcomes if isinstance(outcome.answer, CallFailure)] == ["over_budget"]
    assert max(total.nano for total in totals) <= round(cap * 1e9)
    assert world.ledger.settled == Amount(20 * 70_000, 20 * 25, 20)


def test_a_call_given_up_in_flight_is_charged_in_full():
    class Hangs(Scripted):
        async def call(self, request):
            await asyncio.Event().wait()

    world = World(Hangs("a", prices_from="own"))

    async def scene():
        task = asyncio.create_task(world.ask())
        while not world.book.records:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scene())
    reserved, settled = world.book.records
    assert (settled.outcome, settled.usd) == ("lost", reserved.worst_usd)
    assert world.book.texts == ["the new part", ""]
    assert world.ledger.reserved == Amount()


def test_a_provider_that_breaks_is_settled_too():
    world = World(Scripted([], prices_from="own"))
    with pytest.raises(Exception, match="0 answers"):
        asyncio.run(world.ask())
    assert [record.kind for record in world.book.records] == ["call_reserved", "call_settled"]


def test_a_call_whose_reservation_cannot_be_written_is_not_sent():
    def full() -> None:
        raise OSError("disk full")

    provider = Scripted("a", prices_from="own")
    world = World(provider)
    world.book._on_reserved = full
    with pytest.raises(OSError, match="disk full"):
        asyncio.run(world.ask())
    assert provider.requests == []
    assert (world.ledger.reserved, world.ledger.settled.nano) == (Amount(), 0)


def test_over_the_wire(monkeypatch):
    """A busy server, a cut stream, then an answer: three requests, the cut one charged for what it may have written."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    cut = Say(events=message("half").events[:3], end="cut")

    async def scene():
        async with ModelServer(error(429, "rate_limit_error", retry_after="9"), cut, message("whole")) as server:
            provider = AnthropicProvider(base_url=server.url)
            world = World(provider)
            outcome = await world.ask()
            await provider.close()
            return world, outcome

    world, outcome = asyncio.run(scene())
    assert (outcome.answer.text, outcome.calls) == ("whole", 3)
    settled = [
        (record.outcome, record.tokens_in, record.tokens_out, record.tokens_assumed, record.usd_assumed)
        for record in world.book.settlements
    ]
    assert settled == [("rate_limited", 0, 0, 0, 0.0), ("cut_stream", 10, 1, 99, 990e-6), ("ok", 10, 7, 0, 0.0)]
    assert world.time.slept[0] >= 9
    assert outcome.usd == pytest.approx((10 + 1000 + 10 + 70) * 1e-6)
