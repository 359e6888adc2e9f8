"""A world around a provider of message batches, live or reopened."""

from __future__ import annotations

import asyncio

from call_world import PLAIN, World, until

from evolve.models import AnthropicBatches
from evolve.testing import ModelServer, Say
from evolve.testing._model_says import succeeded

CREATE = "/v1/messages/batches"
COST = 10 * 500 + 7 * 5000  # nano-dollars of the server's plain answer, at half of 1 and 10 dollars a million tokens


def echo(place: int, params) -> dict:
    return succeeded(params["messages"][0]["content"][0]["text"])


def batches(server: ModelServer, **settings) -> AnthropicBatches:
    return AnthropicBatches(
        **({"base_url": server.url, "most": 3, "wait_s": 0.05, "poll_first_s": 0.01, "poll_longest_s": 0.02} | settings)
    )


def played(scene, *script: Say | None, server: dict | None = None, journal=(), **settings):
    """What a scene makes of a world around a provider of batches."""

    async def play():
        async with ModelServer(*script, **(server or {})) as found:
            provider = batches(found, **settings)
            try:
                return await scene(World(provider, in_flight=100, journal=journal), found)
            finally:
                await provider.close()

    return asyncio.run(play())


def ids_at(server: ModelServer) -> list[str]:
    """Custom ids of all calls that came to the server."""
    heard = [each for each in server.heard if (each.path, each.method) == (CREATE, "POST")]
    return [request["custom_id"] for each in heard for request in each.body["requests"]]


async def given_up(task: asyncio.Task) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


def left_open(n: int = 1, *, server: ModelServer, request=PLAIN):
    """The journal of a run that was stopped while ``n`` calls waited for one batch."""

    async def scene():
        provider = batches(server, wait_s=0.0 if n == 1 else 5.0, most=n)
        world = World(provider, in_flight=100)
        tasks = [asyncio.create_task(world.ask(ticket, request)) for ticket in range(n)]
        await until(lambda: len(world.book.records) == 2 * n)
        for task in tasks:
            await given_up(task)
        await provider.close()
        return world

    return scene()


def reopened(act, *, n: int = 1, request=PLAIN, server: dict | None = None):
    """Leave calls open in a batch, let the server finish it, and do something in a new world that has the journal."""

    async def play():
        async with ModelServer(**({"polls": 10**9, "verdict": echo} | (server or {}))) as found:
            old = await left_open(n, server=found, request=request)
            for batch in found.batches.kept.values():
                batch.polls = 1
            provider = batches(found)
            world = World(provider, journal=old.book.records)
            assert world.ledger.lost() == ()
            assert old.ledger.batched() == world.ledger.batched()
            try:
                return await act(world, found, old), world
            finally:
                await provider.close()

    return asyncio.run(play())
