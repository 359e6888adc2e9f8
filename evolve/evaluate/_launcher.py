"""One launcher a slot: resolves the view once, keeps the spawner and its control group, hands out trial sandboxes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from archive import Start
from evolve._contract import Stage
from evolve._errors import SandboxMissing, UsageError
from evolve.evaluate._cold import Strict, check
from evolve.evaluate._lane import Lane
from evolve.evaluate._none import Bare
from evolve.evaluate._sandbox import TrialSandbox
from evolve.evaluate._start import Job, Started, remove
from evolve.evaluate._view import View

TIERS = ("strict", "none")


def open_launcher(tier: str, view: View, *, slot: int = 0) -> Launcher:
    """A launcher for one slot.

    Args:
        tier: ``strict``, or ``none``, which has no walls and must be asked for by name.
        view: what candidates may see besides their own files.
        slot: number of the slot, for names only.

    Raises:
        SandboxMissing: the tier is not to be had here; the message says what is missing and what to type.
        MissingPackage: a declared distribution is not installed.
        EnvironmentFault: a declared distribution cannot be shown.
        UsageError: there is no such tier.
    """
    if tier not in TIERS:
        raise UsageError(f"a tier is one of {', '.join(TIERS)}, not {tier!r}")
    private = Path(tempfile.mkdtemp(prefix="evolve-sandbox-"))
    lane = Lane(slot)
    try:
        way = Strict(lane, view, private) if tier == "strict" else Bare(lane, view, private)
        if isinstance(way, Strict) and (wrong := check(way, private / "check")):
            raise SandboxMissing(f"the strict tier does not start here ({wrong}); run: evolve doctor")
    except BaseException:
        lane.close()
        remove(private)
        raise
    return Launcher(way, lane, private)


class Launcher:
    """Starts candidates of one slot, one at a time.  Used from one thread; ``close`` leaves no process and no file.

    Attributes:
        tier: the tier's name, recorded with every measurement.
        tier_hash: hash of the policy: command line, filter, view, kind of control group.
    """

    def __init__(self, way: Strict | Bare, lane: Lane, private: Path) -> None:
        self.way = way
        self.lane = lane
        self.tier = way.name
        self.tier_hash = way.policy
        self._private = private
        self._trials = 0

    def sandbox(self, files: Mapping[str, str], stage: Stage, *, start: Start, cpu_limit_s: float | None = None) -> TrialSandbox:
        """A sandbox for one trial of the candidate ``files`` at ``stage``.

        Args:
            start: the fastest way to start that the problem allows; ``TrialSandbox.start`` tells what was used.
            cpu_limit_s: a tighter bound than the stage's on the candidate's CPU; breaking it is ``over_budget``.
        """
        return TrialSandbox(self, files, stage, start, cpu_limit_s)

    def new_folder(self) -> Path:
        """A fresh folder outside for one launch."""
        self._trials += 1
        folder = self._private / f"trial-{self._trials}"
        folder.mkdir()
        return folder

    def start(self, job: Job, wanted: Start) -> Started:
        """Start a job, as ``wanted`` if that is to be had, else cold."""
        return self.way.start(job)

    def trial_closed(self, trial: TrialSandbox) -> None:
        """The slot is idle now."""

    def close(self) -> None:
        """End everything and remove the slot's files.  Idempotent."""
        self.lane.close()
        remove(self._private)

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
