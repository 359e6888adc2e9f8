"""Several clients as one: few requests in flight through each, the first ones used first, all closed."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from evolve.models.transport._pool import MOST, ClientPool


class Client:
    def __init__(self):
        self.closed = 0

    async def shut(self):
        self.closed += 1


def test_each_takes_few_and_the_first_with_room_is_used():
    opened = []
    clients = ClientPool(lambda: opened.append(Client()) or opened[-1], "shut")
    with ExitStack() as stack:
        used = [stack.enter_context(clients.acquire()) for _ in range(2 * MOST + 1)]
        assert [used.count(client) for client in opened] == [MOST, MOST, 1]
    with clients.acquire() as client:
        assert client is opened[0]
    assert len(opened) == 3
    asyncio.run(clients.close())
    assert [client.closed for client in opened] == [1, 1, 1]
    with clients.acquire() as client:
        assert client not in opened[:3]
