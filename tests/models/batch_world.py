"""A world around a provider of message batches."""

from __future__ import annotations

import asyncio

from call_world import World

from evolve.models import AnthropicBatches
from evolve.testing import ModelServer, Say
from evolve.testing.models._says import succeeded

CREATE = "/v1/messages/batches"
COST = 10 * 500 + 7 * 5000  # nano-dollars of the server's plain answer, at half of 1 and 10 dollars a million tokens


def echo(place: int, params) -> dict:
    return succeeded(params["messages"][0]["content"][0]["text"])


def batches(server: ModelServer, **settings) -> AnthropicBatches:
    return AnthropicBatches(
        **({"base_url": server.url, "most": 3, "wait_s": 0.05, "poll_first_s": 0.01, "poll_longest_s": 0.02} | settings)
    )


def played(scene, *script: Say | None, server: dict | None = None, **settings):
    """What a scene makes of a world around a provider of batches."""

    async def play():
        async with ModelServer(*script, **(server or {})) as found:
            provider = batches(found, **settings)
            try:
                return await scene(World(provider, in_flight=100), found)
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
