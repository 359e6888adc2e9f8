"""Which programs are measured to take one apart, and on how many seeds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from archive import candidate_id
from evolve._counted import counted
from evolve._errors import UsageError
from evolve.research._changes import Changes
from evolve.research._effects import MIN_RUNS, Weights, n_contrasts, runs_needed

_AGAIN = 2  # programs that the reduced one's comparison takes: itself, and the other once more


@dataclass(frozen=True, slots=True)
class Contrasts:
    """What is asked of one change, as weights of programs: what leaving it out loses, what it gives alone, and by how much the
    first is more than the second."""

    left_out: Weights
    put_in: Weights
    interaction: Weights


@dataclass(frozen=True, slots=True)
class Design:
    """Programs by id, each once; whose they are, and what is asked.

    ``champion`` is the program that is taken apart, ``initial`` what it came out of; ``without`` and ``alone`` are, for each
    change, the champion without it and the initial program with it alone.
    """

    programs: Mapping[str, Mapping[str, str]]
    champion: str
    initial: str
    without: tuple[str, ...]
    alone: tuple[str, ...]

    @property
    def whole(self) -> Weights:
        """All changes together."""
        return {self.champion: 1.0, self.initial: -1.0}

    @property
    def contrasts(self) -> tuple[Contrasts, ...]:
        """For each change."""
        return tuple(
            Contrasts(
                {self.champion: 1.0, without: -1.0},
                {alone: 1.0, self.initial: -1.0},
                _sum((self.champion, 1.0), (without, -1.0), (alone, -1.0), (self.initial, 1.0)),
            )
            for without, alone in zip(self.without, self.alone, strict=True)
        )

    @property
    def n_intervals(self) -> int:
        """How many different intervals can be shown, that of the reduced program included."""
        asked = [weights for one in self.contrasts for weights in (one.left_out, one.put_in, one.interaction)]
        return n_contrasts([self.whole, *asked]) + 1

    def n_measurements(self, runs: int) -> int:
        """What it takes on so many seeds, the reduced program's comparison included."""
        return runs * (len(self.programs) + (_AGAIN if runs > 1 else 1))


def design_of(changes: Changes) -> Design:
    """The champion, the initial program, the champion without each change and the initial program with each alone.

    Raises:
        UsageError: there is one change only: what it contributes is the whole difference.
    """
    if len(changes.items) < 2:
        raise UsageError(
            f"expected a program with two changes or more, found one only ({changes.items[0].name}): what it contributes is the "
            "whole difference."
        )
    programs: dict[str, Mapping[str, str]] = {}

    def known(files: Mapping[str, str]) -> str:
        id_ = candidate_id(dict(files))
        programs.setdefault(id_, files)
        return id_

    champion, initial = known(changes.after), known(changes.before)
    each = range(len(changes.items))
    without = tuple(known(changes.without([index])) for index in each)
    alone = tuple(known(changes.with_only([index])) for index in each)
    return Design(programs, champion, initial, without, alone)


def runs_of(design: Design, *, noisy: bool, asked: int | None, evaluations: int | None, run: str) -> int:
    """On how many seeds each program is measured.

    Args:
        design: what is measured.
        noisy: a deterministic problem takes one seed.
        asked: what was typed; else as many as show a contribution of one standard deviation of a measurement.
        evaluations: measurements that may be spent; fewer seeds then, for all programs alike.
        run: the run, for what to type.

    Raises:
        UsageError: a noisy problem with fewer than 3, or a budget that is too small for that.
    """
    if not noisy:
        _need_room(design, 1, evaluations, run)
        return 1
    if asked is not None and asked < MIN_RUNS:
        raise UsageError(f"--runs must be at least {MIN_RUNS} on a noisy problem, found {asked}; fewer say nothing of its noise.")
    wanted = asked or runs_needed(design.n_intervals, len(design.programs))
    _need_room(design, MIN_RUNS, evaluations, run)
    each = design.n_measurements(MIN_RUNS) // MIN_RUNS
    return wanted if evaluations is None else min(wanted, evaluations // each)


def _need_room(design: Design, runs: int, evaluations: int | None, run: str) -> None:
    least = design.n_measurements(runs)
    if evaluations is not None and evaluations < least:
        what = f"{counted(len(design.without), 'change')} on {counted(runs, 'seed')}"
        raise UsageError(
            f"expected budget.evaluations of at least {least}, for {what} each, found {evaluations}; "
            f"type: evolve ablate {shlex.quote(run)} budget.evaluations={least}, or --most N to join changes"
        )


def _sum(*terms: tuple[str, float]) -> Weights:
    """Weights in which a program may stand twice."""
    found: dict[str, float] = {}
    for program, weight in terms:
        found[program] = found.get(program, 0.0) + weight
    return {program: weight for program, weight in found.items() if weight}
