"""Calls that wait in message batches when a run is stopped: they stay open, and are settled when it comes back."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace

import pytest
from batch_world import COST, CREATE, batches, echo, given_up, ids_at, played, reopened
from call_world import ATTEMPT, PLAIN, World, until

from archive import CallReserved, CallSettled
from evolve.budget._ledger import Amount
from evolve.models import FailureKind, ModelReply, Scripted, Tool
from evolve.models.billing._caller import custom_id
from evolve.testing import ModelServer


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_call_in_a_batch_stays_open_and_is_settled_when_the_run_comes_back():
    async def act(world, server, old):
        assert old.book.settlements == []
        assert old.ledger.reserved.calls == 3
        records = world.ledger.batched()
        found = await asyncio.gather(*(world.caller.recover(record) for record in records))
        return found, server

    (outcomes, server), world = reopened(act, n=3)
    assert [(outcome.answer.text, outcome.calls, outcome.usd) for outcome in outcomes] == [("improve this", 1, COST / 1e9)] * 3
    assert (world.ledger.settled, world.ledger.reserved) == (Amount(3 * COST, 51, 3), Amount())
    assert world.ledger.batched() == ()
    assert world.book.texts == ["improve this"] * 3
    assert server.count("/v1/messages/batches/msgbatch_1/results", "GET") == 1  # read once for all
    assert server.count(CREATE) == 1


def test_a_recovered_tool_call_is_one():
    async def act(world, server, old):
        return await world.caller.recover(world.ledger.batched()[0])

    request = replace(PLAIN, tool=Tool("edit", "", "{}"))
    outcome, world = reopened(act, request=request, server={"verdict": None})
    assert outcome.answer.tool_input == {"value": 3}
    assert world.book.texts == ['{"value":3}']


def test_a_batch_that_is_gone_is_charged_in_full():
    async def act(world, server, old):
        server.batches.kept.clear()
        return await world.caller.recover(world.ledger.batched()[0])

    outcome, world = reopened(act)
    assert outcome.answer.kind is FailureKind.NOT_FOUND
    (settled,) = world.book.settlements
    assert (settled.outcome, settled.usd) == ("not_found", outcome.usd)
    assert settled.usd > COST / 1e9
    assert world.ledger.reserved == Amount()


def test_a_batch_without_the_call_is_charged_in_full():
    async def act(world, server, old):
        server.batches.kept["msgbatch_1"].requests.clear()
        return await world.caller.recover(world.ledger.batched()[0])

    outcome, world = reopened(act)
    assert outcome.answer.kind is FailureKind.NOT_FOUND
    assert world.book.settlements[0].usd == outcome.usd > COST / 1e9


def test_results_that_are_kept_no_longer_are_charged_in_full():
    async def act(world, server, old):
        server.batches.kept["msgbatch_1"].archived = True
        return await world.caller.recover(world.ledger.batched()[0])

    outcome, world = reopened(act)
    assert outcome.answer.kind is FailureKind.NOT_FOUND
    assert world.book.settlements[0].usd == outcome.usd > COST / 1e9


def test_a_batch_that_may_not_be_asked_leaves_its_calls_open(monkeypatch):
    async def act(world, server, old):
        (record,) = world.ledger.batched()
        monkeypatch.setenv("ANTHROPIC_API_KEY", "wrong")
        first = await world.caller.recover(record)
        assert world.ledger.batched() == (record,)
        assert world.book.records == []
        await world.caller.provider.close()
        monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")
        return first, await world.caller.recover(record)

    (first, second), _ = reopened(act)
    assert (first.answer.kind, first.usd, first.still_open) == (FailureKind.AUTH, 0.0, True)
    assert (second.answer.text, second.still_open) == ("improve this", False)


def test_recovering_that_is_given_up_leaves_the_call_open():
    async def act(world, server, old):
        (record,) = world.ledger.batched()
        server.batches.kept["msgbatch_1"].polls = 10**9
        task = asyncio.create_task(world.caller.recover(record))
        await until(lambda: server.count("/v1/messages/batches/msgbatch_1", "GET") > 3)
        await given_up(task)
        assert world.ledger.batched() == (record,)
        server.batches.kept["msgbatch_1"].polls = 0
        return await world.caller.recover(record)

    outcome, world = reopened(act)
    assert isinstance(outcome.answer, ModelReply)
    assert len(world.book.settlements) == 1


def test_a_price_that_nobody_can_read_is_charged_in_full():
    async def act(world, server, old):
        return await world.caller.recover(replace(world.ledger.batched()[0], price="sonnet"))

    outcome, world = reopened(act)
    assert isinstance(outcome.answer, ModelReply)
    assert outcome.usd == world.book.settlements[0].usd > COST / 1e9


def test_what_is_in_no_batch_cannot_be_recovered():
    async def scene(world, server):
        record = CallReserved(ATTEMPT, 1, "p", "m", "{}", 0.1)
        with pytest.raises(ValueError, match="no batch"):
            await world.caller.recover(record)
        with pytest.raises(ValueError, match="no batch of scripted"):
            await World(Scripted("a")).caller.recover(replace(record, batch="b"))

    played(scene)


@pytest.mark.parametrize("seed", range(6))
def test_whenever_calls_are_given_up_every_one_is_settled_once_or_waits_in_a_batch(seed):
    """Forty calls, half of them given up at random moments; then the run comes back.  No call is charged twice or forgotten."""
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
            again = World(batches(server), journal=world.book.records)
            for record in again.ledger.lost():
                again.purse.settle(record, "")
            for record in again.ledger.batched():
                await again.caller.recover(record)
            await again.caller.provider.close()
            return world, again, server

    world, again, server = asyncio.run(play())
    records = world.book.records + again.book.records
    first = {(each.attempt, each.call): each for each in records if isinstance(each, CallReserved) and not each.batch}
    settled = [each for each in records if isinstance(each, CallSettled)]
    assert sorted((each.attempt.ticket, each.call) for each in settled) == sorted((key[0].ticket, key[1]) for key in first)
    assert again.ledger.reserved == Amount()
    assert again.ledger.overrun == Amount()
    at_server = ids_at(server)
    assert len(set(at_server)) == len(at_server)
    assert set(at_server) <= {custom_id(record) for record in first.values()}
    for each in settled:
        if custom_id(first[each.attempt, each.call]) in at_server:
            assert each.usd in (COST / 1e9, first[each.attempt, each.call].worst_usd)
        else:
            assert each.usd in (0.0, first[each.attempt, each.call].worst_usd)
