"""One actor as its driver sees it: asked for, awake, given blocks, retired."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any

from evolve._version import __version__
from evolve.execute._base import Block, Report
from evolve.execute.cluster import _door
from evolve.execute.cluster._host import HostFacts
from evolve.execute.cluster._work import Turn, Work

_CONTROL = "control"
_NOBODY = HostFacts(machine="", node="", pid=0)


class Seat:
    """An actor with one slot.  Used from the executor's own thread alone.

    ``is_awake`` once the actor has answered and until it is known to have died; ``is_leaving`` where its node is about to.
    ``line`` is what has been handed to it: the first block runs, one more may wait behind it.
    """

    def __init__(self, ray: ModuleType, number: int, options: dict[str, Any], settings: object, bundles: Sequence[object]) -> None:
        self.number, self.facts = number, _NOBODY
        self.is_awake = self.is_leaving = self.is_gone = False
        self.line: list[Work] = []
        self._ray = ray
        ray.cloudpickle.register_pickle_by_value(_door)
        # Two calls in the control group: one that ends with the actor, and one at a time of those that are answered.
        make = ray.remote(max_restarts=-1, max_task_retries=0, concurrency_groups={_CONTROL: 2}, **options)(_door.Door)
        self._actor, self._bundles = make.remote(__version__, pickle.dumps(settings), number), list(bundles)
        self._life: asyncio.Future[None] | None = None

    @property
    def is_busy(self) -> bool:
        return bool(self.line)

    @property
    def machine(self) -> str:
        return self.facts.machine

    async def wake(self) -> HostFacts:
        """Wait until the actor answers: after it was asked for, or after it died.

        Raises:
            RayError: it will never answer.
        """
        told = await self._actor.hello.options(concurrency_group=_CONTROL).remote(self._bundles)
        self.facts = HostFacts(**told) if isinstance(told, dict) else told
        return self.facts

    async def until_death(self) -> None:
        """Wait until the actor is known to have died, or is doubted."""
        self._life = asyncio.ensure_future(self._live())
        try:
            await asyncio.wait([self._life])
        finally:
            self._life.cancel()

    async def _live(self) -> None:
        try:
            await self._actor.live.options(concurrency_group=_CONTROL).remote()
        except self._ray.exceptions.RayError:
            return

    def doubt(self) -> None:
        """A call failed: ask anew whether the actor is there."""
        self.is_awake = False
        if self._life is not None:
            self._life.cancel()

    async def run(self, block: Block, turn: Turn) -> AsyncIterator[list[Report]]:
        """Reports as they come, the block's own last.  One block after another, in the order of the calls.

        Raises:
            RayError: the actor died, or its node did.
        """
        if len(block.entries) == 1:
            yield await self._actor.run.remote(block, turn)
            return
        # Held until taken: else an actor's death takes reports with it that it had given, and another entry is named than ran.
        held = {"num_returns": "streaming", "_generator_backpressure_num_objects": 1}
        async for reference in self._actor.stream.options(**held).remote(block, turn):
            yield await reference

    def cancel(self, turn: Turn) -> None:
        """Have a block given up that runs there, or that is to come."""
        self._actor.cancel.options(concurrency_group=_CONTROL).remote(turn)

    async def give_back(self, turn: Turn) -> bool:
        """Have a block back that has not begun there; False where it has, or nobody answers."""
        try:
            return bool(await self._actor.give_back.options(concurrency_group=_CONTROL).remote(turn))
        except self._ray.exceptions.RayError:
            return False

    async def close(self) -> None:
        """Have the actor end its graders, then end it."""
        with suppress(self._ray.exceptions.RayError):  # dead already, and its graders with it
            await self._actor.close.options(concurrency_group=_CONTROL).remote()
        self.kill()

    def kill(self) -> None:
        """End the actor: whatever it runs dies with it."""
        self.is_gone, self.is_awake = True, False
        self._ray.kill(self._actor, no_restart=True)
