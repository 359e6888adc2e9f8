"""A command is watched while it prints, and ended where whoever watches has seen enough."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sandbox_calls import ran

from archive import Status
from evolve.evaluate import SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.evaluate.sandbox._monitor import WATCHED_BYTES, WATCHED_LINES

COUNTS = "import time\nfor i in range(200):\n    print('step', i)\n    time.sleep(0.02)\nopen('/output/done', 'w').close()\n"


@pytest.fixture(scope="module", params=["strict", "none"])
def factory(request: pytest.FixtureRequest) -> Iterator[SandboxFactory]:
    with open_sandbox_factory(request.param, VisibleFiles()) as factory:
        yield factory


@pytest.mark.parametrize("outputs", [{}, {"done": 10}], ids=["no files", "a file"])
def test_it_is_ended_at_the_line_that_says_enough(factory: SandboxFactory, outputs: dict[str, int]) -> None:
    seen: list[str] = []

    def watch(line: str) -> bool:
        seen.append(line)
        return line == "step 3"

    reply = ran(factory, COUNTS, outputs=outputs, watch=watch)
    assert (reply.status, reply.ok) == (Status.PRUNED, False)
    assert seen == ["step 0", "step 1", "step 2", "step 3"]
    assert reply.outcome().status is Status.PRUNED
    assert reply.files == {}


def test_one_that_is_let_run_ends_as_any_other(factory: SandboxFactory) -> None:
    lines: list[str] = []
    reply = ran(factory, "print('a\\nb')\nprint('c', end='')\n", watch=lambda line: bool(lines.append(line)))
    assert reply.ok
    assert lines == ["a", "b"]  # a line that is never whole is none
    assert reply.log.strip().endswith("c")


def test_of_a_flood_no_more_is_looked_at_than_is_said(factory: SandboxFactory) -> None:
    lines: list[str] = []
    flood = f"print('x' * {3 * WATCHED_BYTES})\nfor i in range({WATCHED_LINES + 50}):\n    print(i)\n"
    reply = ran(factory, flood, watch=lambda line: bool(lines.append(line)))
    assert reply.ok
    assert len(lines) == WATCHED_LINES
    assert len(lines[0]) == WATCHED_BYTES


def test_a_watcher_that_fails_leaves_nothing_behind(factory: SandboxFactory) -> None:
    def watch(line: str) -> bool:
        raise LookupError(line)

    began = time.perf_counter()
    with pytest.raises(LookupError, match="step 0"):
        ran(factory, COUNTS, outputs={"done": 10}, watch=watch)
    assert ran(factory, "print(1)\n").ok  # the slot serves on
    assert time.perf_counter() - began < 4.0  # and nobody waited for the one before
