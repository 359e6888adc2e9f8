"""What runs in an actor: one slot, as the local executor has it.  Trusted code alone; candidates run in the slot's sandboxes.

An actor that is restarted comes back empty: nothing is kept here that must not be lost.
"""

from __future__ import annotations

import os
import platform
import select
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue, SimpleQueue

from archive import BlockStatus, Hardware
from evolve._errors import EvolveError
from evolve.evaluate import VisibleFiles, open_sandbox_factory
from evolve.evaluate.isolation._hardware import hardware_of
from evolve.execute._base import Block, BlockReport, EntryReport, Report
from evolve.execute._cards import Cards, need_gpus
from evolve.execute._scratch import Scratch
from evolve.execute._slot import Slot, SlotSettings
from evolve.execute.cluster._bundle import Bundle, check_versions, prune, touch, unpack
from evolve.execute.cluster._work import Turn
from evolve.problem._data import check_data
from evolve.problem._load import candidate_assets_folder
from evolve.problem.contract._contract import Problem
from evolve.problem.contract._environment import ALWAYS

_REMEMBERED = 1024  # turns that were given up before they came
_TOUCH_S = 3600.0  # between two signs that bundles are in use
_BEGUN = 4  # turns that are known to have begun: a driver asks for none but the one behind what it saw last
_KEPT = (*ALWAYS, "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "CUDA_VISIBLE_DEVICES")  # and what Ray set


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """What all actors of an executor share.

    ``environment`` holds what the problems' evaluators ask for by name; ``driver`` is the process that drives the run, where it
    is one of this machine.
    """

    tier: str
    environment: Mapping[str, str]
    grace_s: float
    patience_s: float
    threads: int
    driver: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What an actor found where it woke up.  ``fault`` says why it cannot serve; "" where it can."""

    machine: str
    node: str
    pid: int
    hardware: Hardware = field(default_factory=Hardware)
    fault: str = ""


class SlotHost:
    """One slot of a node.  ``run`` and ``stream`` are called by one thread, ``cancel`` and ``give_back`` by another.

    What is wrong here (no sandbox, a bundle that cannot be unpacked) is said by ``hello``, and nothing is raised: an actor whose
    constructor fails says it to nobody.
    """

    def __init__(self, settings: HostSettings, number: int) -> None:
        _end_with([os.getppid(), *([settings.driver] if settings.driver else [])])
        _set_environment(settings.environment)
        self._machine = platform.node()
        self._lock = threading.Lock()
        self._running: Turn | None = None
        self._begun: deque[Turn] = deque(maxlen=_BEGUN)
        self._given_up: dict[Turn, None] = {}
        self._lives = threading.Event()
        self._scratch = Scratch()
        self._work: SimpleQueue[tuple[Block, Turn, Queue[list[Report]]] | None] = SimpleQueue()
        self._settings, self._number = settings, number
        self._slot: Slot | None = None
        self._cards: Cards | None = None

    def hello(self, *bundles: Bundle) -> HostFacts:
        """Who this is, and whether it can serve these problems; from then on it does."""
        fault = ""
        try:
            if self._slot is None:
                self._begin(bundles)
        except (EvolveError, OSError) as error:
            fault = str(error)
        return HostFacts(
            machine=self._machine,
            node=_node(),
            pid=os.getpid(),
            hardware=hardware_of(self._cards.gpus if self._cards else ()),
            fault=fault,
        )

    def _begin(self, bundles: tuple[Bundle, ...]) -> None:
        problems = _unpacked(bundles, self._settings.tier)
        self._folders, self._touched = [problem.folder for problem in problems.values()], time.monotonic()
        self._cards = need_gpus(problem.contract for problem in problems.values())  # of those that Ray gave this actor
        self._slot = Slot(self._slot_settings(problems), self._number)
        # The kernel ends graders with the thread that started them: this one lives as long as the actor.
        self._thread = threading.Thread(target=self._serve_to_the_end, args=(self._slot,), name="slot", daemon=True)
        self._thread.start()

    def live(self) -> None:
        """Do not answer: the call ends with the actor, or when it is made again, by a driver that was cut off for a moment.  Each
        takes one of the few threads that answer."""
        self._lives.set()
        lives = self._lives = threading.Event()
        lives.wait()

    def run(self, block: Block, turn: Turn) -> list[Report]:
        """Run a block; all of its reports at once."""
        return [report for reports in self.stream(block, turn) for report in reports]

    def stream(self, block: Block, turn: Turn) -> Iterator[list[Report]]:
        """Run a block; each entry's report when it ends, the last one's with the block's.

        The next entry begins once the driver has taken the report, if the caller asks Ray to hold each until then: whoever dies
        then is who is named.
        """
        reports: Queue[list[Report]] = Queue()
        self._work.put((block, turn, reports))
        while True:
            told = reports.get()
            try:
                yield told
            finally:
                reports.task_done()
            if isinstance(told[-1], BlockReport):
                return

    def cancel(self, turn: Turn) -> None:
        """Give a block up that runs here, or that comes later."""
        with self._lock:
            if self._running == turn and self._slot is not None:
                self._slot.wake.set()
                return
            self._give_up(turn)

    def give_back(self, turn: Turn) -> bool:
        """Whether a block has not begun here; then it never will."""
        with self._lock:
            if turn in self._begun:
                return False
            self._give_up(turn)
            return True

    def _give_up(self, turn: Turn) -> None:
        self._given_up[turn] = None
        while len(self._given_up) > _REMEMBERED:
            del self._given_up[next(iter(self._given_up))]

    def close(self) -> None:
        """End the graders and remove what they left."""
        if self._slot is not None:
            self._work.put(None)
            self._thread.join()
            self._slot = None
        self._scratch.close()

    def _serve_to_the_end(self, slot: Slot) -> None:
        """An actor without this thread would take blocks and never answer: it ends with it, whatever went wrong, and Ray makes it
        anew."""
        went_well = False
        try:
            self._serve(slot)
            went_well = True
        finally:
            if not went_well:
                traceback.print_exc()
                os._exit(1)

    def _serve(self, slot: Slot) -> None:
        while (work := self._work.get()) is not None:
            block, turn, reports = work
            with self._lock:
                given_up = turn in self._given_up
                self._given_up.pop(turn, None)
                if not given_up:
                    slot.wake.clear()
                    self._running = turn
                    self._begun.append(turn)
            if given_up:
                reports.put([BlockReport(block.attempt, BlockStatus.CANCELLED, reason="cancelled before it ran")])
                continue
            last: list[Report] = []  # the last entry's, which goes with the block's: one message for most blocks

            def tell(
                report: EntryReport, block: Block = block, last: list[Report] = last, out: Queue[list[Report]] = reports
            ) -> None:
                if report.index == len(block.entries) - 1:
                    last.append(report)
                else:
                    out.put([report])
                    out.join()

            end = self._run_with_cards(slot, block, tell)
            with self._lock:
                self._running = None
            reports.put([*last, end])
            if time.monotonic() - self._touched > _TOUCH_S:
                self._touched = time.monotonic()
                touch(self._folders)
        slot.close()

    def _run_with_cards(self, slot: Slot, block: Block, tell: Callable[[EntryReport], None]) -> BlockReport:
        if self._cards is None:
            return slot.run(block, tell)
        lent = self._cards.lend(block.attempt, block.needs)
        if lent is None:
            reason = self._cards.lacking(block.needs) or "another run on that machine has the GPUs"
            return BlockReport(block.attempt, BlockStatus.LOST, reason=f"{self._machine}: {reason}")
        try:
            return slot.run(block, tell, lent, self._cards)
        finally:
            self._cards.give_back(block.attempt)

    def _slot_settings(self, problems: Mapping[str, Problem]) -> SlotSettings:
        settings = self._settings
        return SlotSettings(
            problems=problems,
            tier=settings.tier,
            machine=self._machine,
            scratch=self._scratch.path,
            grace_s=settings.grace_s,
            threads=settings.threads,
            patience_s=settings.patience_s,
        )


def _unpacked(bundles: tuple[Bundle, ...], tier: str) -> dict[str, Problem]:
    """The problems, verified, with their data and a sandbox that starts for each.

    Raises: as ``unpack``, ``check_versions``, ``check_data`` and ``open_sandbox_factory``.
    """
    store = Path(tempfile.gettempdir()) / f"evolve-bundles-{os.getuid()}"
    problems = {bundle.problem.id: unpack(bundle, store) for bundle in bundles}
    prune(store)
    for bundle in bundles:
        check_versions(bundle)
    for problem in problems.values():
        check_data(problem.contract)
        open_sandbox_factory(tier, VisibleFiles.of(problem.contract, candidate_assets_folder(problem))).close()
    return problems


def _node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _end_with(pids: Iterable[int]) -> None:
    """End this process as soon as one of those does: busy workers have outlived a killed driver by 45 s, and what they ran with
    them."""
    ends = [os.pidfd_open(pid) for pid in pids]

    def watch() -> None:
        select.select(ends, [], [])
        os._exit(1)

    threading.Thread(target=watch, name="end-with", daemon=True).start()


def _set_environment(passed: Mapping[str, str]) -> None:
    """What a node's environment holds is nobody's business here but Ray's and the interpreter's."""
    for name in [name for name in os.environ if name not in _KEPT and not name.startswith("RAY_")]:
        del os.environ[name]
    os.environ.update(passed)
