"""What an ``evaluate.py`` is handed and what it gives back.

``evaluate(trial: Trial) -> Outcome`` runs in the grader, a trusted process that never imports the candidate.  Whatever the
candidate computes reaches it as bytes through the sandbox's two calls, read by strict readers.  A candidate that fails is a reply
with a status; an exception in ``evaluate`` is the evaluator's own fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Protocol

from archive import Curve, StartMode, Status
from evolve.evaluate._progress import Progress
from evolve.evaluate.isolation import _page_cache

if TYPE_CHECKING:
    import numpy as np

QUARANTINED = "quarantined: "  # how the reason of an impossible result begins

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Value = "Json | np.ndarray"


@dataclass(frozen=True, slots=True)
class Array:
    """An array a candidate must return: exact dtype, exact shape (None: any length up to ``max_items`` in all).

    Floats must be finite unless ``finite`` is False.

    Example:
        >>> reply = trial.sandbox.call("main.py:pack", {"n": 26}, {"circles": Array("float64", (26, 3))})
    """

    dtype: str
    shape: tuple[int | None, ...]
    max_items: int = 1 << 26
    finite: bool = True


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A JSON value a candidate must return: at most ``max_bytes`` of UTF-8, no NaN, infinities or duplicate keys.

    Example:
        >>> reply = trial.sandbox.call("main.py:point", {}, {"point": JsonValue(max_bytes=1000)})
    """

    max_bytes: int = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUsage:
    """What the candidate's process tree spent, measured from outside it."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_mib: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long calls took that were timed one by one, by the grader's clock, in seconds.

    Attributes:
        seconds: Of each call that counts, in the order in which the calls were given, the way there and back included.
        overhead_s: The least that empty calls of the same size took, before the candidate was loaded.
        load_s: How long loading the candidate's file took, its imports included.
        cpu_s: Of ``converse`` alone: the CPU seconds that all of the candidate's processes had spent by each answer, loading
            included.  What they do between two calls is in it too, so that nothing is gained by answering early.
    """

    seconds: tuple[float, ...]
    overhead_s: float
    load_s: float
    cpu_s: tuple[float, ...] = ()

    @property
    def net(self) -> tuple[float, ...]:
        """``seconds`` without the way there and back, at least 0."""
        return tuple(max(one - self.overhead_s, 0.0) for one in self.seconds)

    @property
    def median_s(self) -> float:
        """The median of ``net``."""
        return median(self.net)

    @property
    def least_s(self) -> float:
        """The least of ``net``: of inputs that differ in difficulty, that of the easiest."""
        return min(self.net)

    def quantile_s(self, share: float) -> float:
        """What that share of the calls stayed within, of ``net``.  A machine with other work only ever adds: 0.25 sees less of that
        than the median, and one lucky input decides it as little."""
        return sorted(self.net)[min(int(share * len(self.seconds)), len(self.seconds) - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The end of a sandbox call.

    ``values`` holds, for each call of ``call``/``call_many``, the returned values by name; empty unless ``status`` is OK.
    ``files`` holds those output files of ``run`` that were written, whatever ``exit_code`` is (below zero: minus the signal that
    ended the command; -9 where it broke a limit), also those of a command whose time was over.
    ``log`` is the tail of stdout and stderr: capped, cleaned, untrusted.
    ``output_hash`` is the hash over the bytes returned.  ``timing`` comes of ``time_calls`` alone, when ``status`` is OK.
    """

    status: Status
    reason: str = ""
    values: tuple[Mapping[str, object], ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    log: str = ""
    exit_code: int | None = None
    usage: ProcessUsage = ProcessUsage()
    output_hash: str = ""
    timing: Timing | None = None

    @property
    def ok(self) -> bool:
        return self.status is Status.OK

    @property
    def value(self) -> Mapping[str, object]:
        """The values of the only (or first) call."""
        return self.values[0]

    def outcome(self) -> Outcome:
        """This failure as the outcome of the trial, with the log's tail as feedback."""
        return Outcome(status=self.status, reason=self.reason, feedback=self.log[-2000:])


class Sandbox(Protocol):
    """The candidate's side of a trial.  Every call starts a fresh process that sees the candidate's files, the declared imports
    and candidate assets, ``inputs`` and nothing else.  CPU, wall time and memory add up against the stage's limits."""

    def call(
        self,
        entry: str,
        args: Mapping[str, object],
        returns: Mapping[str, Array | JsonValue],
        *,
        inputs: Mapping[str, bytes | Path] | None = None,
        budgeted: bool = True,
    ) -> Reply:
        """Call one function of the candidate, ``entry`` being ``"file.py:function"`` or ``"package.module:function"``.

        It is imported as a plain interpreter started in the candidate's folder would import it.
        ``args`` are keyword arguments: JSON values and numpy arrays.  The function returns a mapping with the names in
        ``returns``, or a tuple in their order, or the bare value when there is one name.  ``inputs`` are files laid read-only
        under ``/input``.  ``budgeted=False`` counts the CPU as the scorer's, not the candidate's.
        """

    def call_many(
        self,
        entry: str,
        calls: Sequence[Mapping[str, object]],
        returns: Sequence[Mapping[str, Array | JsonValue]],
        *,
        inputs: Mapping[str, bytes | Path] | None = None,
        budgeted: bool = True,
    ) -> Reply:
        """As ``call``, several times in one process, in order; one failure fails the whole."""

    def time_calls(
        self,
        entry: str,
        calls: Sequence[Mapping[str, object]],
        returns: Sequence[Mapping[str, Array | JsonValue]],
        *,
        warm_up: int = 3,
        inputs: Mapping[str, bytes | Path] | None = None,
    ) -> Reply:
        """As ``call_many``, each call sent when the one before is answered, and timed: see ``Reply.timing``.

        The first ``warm_up`` calls come first and are not timed; the others come in an order that nobody can foresee.  ``values``
        are in the order given, those of the warm-up included: check them all, a wrong answer may be a fast one.  No two calls may
        be equal, or an answer could be remembered; draw them from ``trial.rng``, so that they cannot be known before.

        Raises:
            ValueError: two equal calls, or none that is timed.
        """

    def converse(
        self,
        entry: str,
        ask: Callable[[Mapping[str, object] | None, float], Mapping[str, object] | None],
        returns: Mapping[str, Array | JsonValue],
        *,
        arrays: bool = True,
        most_calls: int = 10_000,
        inputs: Mapping[str, bytes | Path] | None = None,
    ) -> Reply:
        """Call one function again and again in one process, each call made up from the answer to the one before, and timed.

        ``ask`` gets the values of the last answer and the seconds that it took by this process's clock, the way there and back
        included (before the first call None, and how long loading took); it gives the next call's arguments, or None to end.  All
        calls return the same.  So a program can be served its data in pieces under a budget of time that it cannot read ahead in:
        what it has not been sent it cannot work on.  ``arrays``: some arguments are numpy arrays.

        ``Reply.values`` holds the last answer alone, ``Reply.timing`` the seconds of each call and the CPU spent by then.  What
        ``ask`` takes is not in these seconds, and the program may go on meanwhile: where that matters ``ask`` keeps a clock of its
        own, or the CPU is counted.

        Raises:
            ValueError: ``ask`` made more than ``most_calls``.
        """

    def run(
        self,
        argv: Sequence[str],
        *,
        inputs: Mapping[str, bytes | Path] | None = None,
        outputs: Mapping[str, int] | None = None,
        env: Mapping[str, str] | None = None,
        budgeted: bool = True,
        watch: Callable[[str], bool] | None = None,
    ) -> Reply:
        """Run a command; ``"python"`` as its first word is the sandbox's interpreter.

        Working folder: ``/work``, a size-capped tmpfs with copies of the candidate's files, so that ``python -m`` and relative
        paths find them.  The files themselves: ``/candidate`` (read-only), ``inputs`` under ``/input``, candidate assets under
        ``/assets``, its data under ``/data``.  ``outputs`` maps relative paths under ``/output`` to the greatest size in bytes; a
        missing or larger one is ``invalid``.  Exit status other than 0 is ``crash``; a command whose time or CPU is over is
        ``timeout``.  That is what ``status`` says; what was written comes back in ``files`` all the same, with ``exit_code`` and
        ``log``, for the evaluator to judge by: a file that is there says nothing of how the command ended.

        ``watch`` is given each line that the command prints, while it runs, the first 10,000 of at most 4,096 characters; where it
        says True the command is ended as ``pruned``.  Whoever prints decides what it sees: see ``Trial.report``.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One measurement: what to evaluate, and with what.

    ``seed`` has 63 bits and decides everything random.  ``assets`` is the folder of all prepared assets (the grader's own
    included), ``problem`` the grader's own copy of the problem folder, ``work`` a fresh private folder that is removed afterwards.
    ``files`` is the program; it runs by ``sandbox.call`` alone.  ``data`` is where the data lies that ``problem.yaml`` names.

    Example:
        >>> def evaluate(trial):  # in evaluate.py
        ...     reply = trial.sandbox.call("main.py:point", {"x": 1.5}, {"point": JsonValue()})
        ...     if not reply.ok:
        ...         return reply.outcome()
        ...     return Outcome(score=float(reply.value["point"]))
    """

    files: Mapping[str, str]
    stage: str
    seed: int
    params: Mapping[str, float | int | str | bool]
    problem: Path
    assets: Path | None
    work: Path
    sandbox: Sandbox
    start: StartMode = StartMode.COLD
    data: Mapping[str, Path] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)

    def report(self, x: float, y: float) -> None:
        """One more point of the learning curve: ``y``, as good or bad as the score (low where the goal is to minimize), when the
        share ``x`` of the run is done.

        It becomes the outcome's ``curve`` unless that has one, and decides no score.  So ``y`` may come from what the candidate
        prints: one that prints better numbers than it has is measured to its end, and has then won nothing.

        Example:
            >>> def watch(line):  # "step 200/800 loss 5.13"
            ...     if found := re.match(r"step (\\d+)/(\\d+) loss (\\S+)", line):
            ...         trial.report(int(found[1]) / int(found[2]), float(found[3]))
            ...     return trial.should_prune()
            >>> trained = trial.sandbox.run(["python", "/candidate/train.py"], watch=watch)
        """
        self.progress.report(x, y)

    def should_prune(self) -> bool:
        """Whether by what was reported the program would end up worse than what the search has: then end the measurement with
        ``Outcome(status=Status.PRUNED)``, which ``Reply.outcome`` of a command that ``watch`` ended is.  Always False where a
        measurement decides more than whether a child is worth another look."""
        return bool(self.progress.lost) and not self.progress.audited

    def rng(self, purpose: str = "") -> np.random.Generator:
        """A generator keyed by (seed, purpose): equal arguments give equal draws, on any machine."""
        import hashlib

        import numpy as np

        key = int.from_bytes(hashlib.blake2b(f"{self.seed}:{purpose}".encode(), digest_size=16).digest(), "little")
        return np.random.Generator(np.random.Philox(key=key))

    def forget_reads(self) -> str:
        """Undo what earlier sandboxes left in the kernel's caches of files: the next call cannot tell from them what was read.

        For evaluators that ask twice and compare: call it before the first sandbox that could leave a mark, and again before the
        one that must find none.  With torch among the imports it costs about 0.3 s of the scorer's CPU, so do not call it without
        need.  ``docs/design/sandbox.md`` says what two sandboxes share nevertheless.

        Returns:
            "" when it is done, else what was left undone (no control group, files that do not fit into memory).
        """
        return _page_cache.level()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a trial gave.  ``score`` is in the problem's own unit and sign, finite, and present exactly when ``status`` is OK.

    ``feedback`` is told to whoever makes the next child; ``artifacts`` are small blobs from which the result can be verified
    again.  ``output_hash`` defaults to the hash of what the last sandbox call returned.

    ``probe_hash`` is for noisy problems whose scores differ between seeds for the evaluator's reasons too (it scores other rows,
    say): the hash of the candidate's answer to one question that is the same for every seed.  A candidate that learnt from what
    its seed served answers differently; one that gives the same answer twice, where the initial program does not, ignores its seed.

    Example:
        >>> Outcome(score=2.5, metrics={"parameters": 120}, feedback="two discs touch")
        >>> Outcome(status=Status.CHECKS_FAILED, reason="the matrix is not orthogonal")
    """

    status: Status = Status.OK
    score: float | None = None
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    descriptors: Mapping[str, float] = field(default_factory=dict)
    feedback: str = ""
    curve: Curve | None = None
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    output_hash: str = ""
    probe_hash: str = ""

    @classmethod
    def fail(cls, status: Status, reason: str, feedback: str = "") -> Outcome:
        """A failure of the candidate, with the reason in one sentence."""
        return cls(status=status, reason=reason, feedback=feedback or reason)

    @classmethod
    def quarantine(cls, reason: str) -> Outcome:
        """A result that no honest program can have, with what proves it in one sentence: ``rejected``, and never a score."""
        return cls.fail(Status.REJECTED, f"{QUARANTINED}{reason}")
