"""What a deterministic run claims: its best program's artifact, recomputed by code that shares nothing with the evaluator.

A problem may ship ``verify.py``: ``python verify.py FILE`` reads an artifact as ``evolve best --artifact`` writes it, exits with 0
where it is valid, and prints the recomputed score as the last word of its last line.  It is trusted code and runs as a program of
its own.  Without one, what stands behind a score is that two processes, one of them fresh, gave it to the last bit; a run in which
scores do not repeat has nothing to stand on.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from archive import Measured, Status, difference, find_records
from evolve.budget._cpu_budget import INITIAL
from evolve.problem.contract._contract import Problem
from evolve.runs._folder import RunDir
from evolve.search.state._state import ProblemState
from evolve.views._summary import ONCE, best_candidate, gain_of
from evolve.views._unchecked import Unchecked, nothing_better
from evolve.views.claims._report_cards import told_hardware

VERIFY = "verify.py"
VERIFIED, MEASURED, NOISY = "verified", "measured", "noisy"
TIME_S = 600.0
TOLERANCE = 1e-9  # relative, between what was recorded and what is recomputed: they may add in another order


@dataclass(frozen=True, slots=True)
class Verification:
    """``status`` is verified (recomputed from the artifact), measured (again, with the same score), measured once, noisy (scores of
    this problem do not repeat), refuted or nothing.  ``gain`` is None where nothing is to be called one."""

    status: str
    candidate: str | None
    score: float | None
    recomputed: float | None
    seed_score: float | None
    found: str
    gain: float | None = None
    caveat: str = ""  # what must stand beside it: that the score is not computed by trusted code
    unchecked: Unchecked | None = None  # better scores that no fresh process has given yet
    hardware: tuple[str, ...] = ()  # what the program's measurements were made on
    depends_on_speed: bool = False  # scores hang on how fast that is, and hold there alone

    @property
    def holds(self) -> bool:
        """Whether the program is shown to be better than the initial program."""
        return self.status in (VERIFIED, MEASURED) and self.gain is not None and self.gain > 0


def verify_best(run: RunDir, problem: Problem, state: ProblemState, waits: Unchecked | None = None) -> Verification:
    """Verify the best program of a run again, beside which ``waits`` do."""
    found, contract = _verified(run, problem, state, waits), problem.contract
    told = told_hardware(state, _hardware(run, found.candidate) if found.candidate else ())
    return replace(found, caveat=contract.caveat, unchecked=waits, hardware=told, depends_on_speed=contract.depends_on_speed)


def _hardware(run: RunDir, id_: str) -> set[str]:
    """Ids of what a candidate was measured on."""
    records = (stamped.record for stamped in find_records(run.path, ("measured",), mention=id_))
    return {one.result.hardware for one in records if isinstance(one, Measured) and one.result.candidate == id_}


def _verified(run: RunDir, problem: Problem, state: ProblemState, waits: Unchecked | None) -> Verification:
    population, number = state.population, best_candidate(state)
    score = population.score(number) if number is not None else None
    seed = population.score(INITIAL) if population.candidates else None
    noise = state.steadiness.message(population)
    if number is None or score is None or number == INITIAL:
        why = state.run.failure
        found = nothing_better(waits) if seed is not None else "nothing was measured" + (f": {why}" if why else "")
        return Verification("nothing", None, None, None, _own(population.sign, seed), f"{found}; {noise}" if noise else found)
    id_, told, gain = population.candidates[number].id, population.sign * score, gain_of(state, number)
    script, artifact = problem.folder / VERIFY, next(iter(problem.contract.artifacts), None)
    only = state.problem if state.others else ""
    blob = _artifact(run, id_, artifact, problem.contract.max_artifact_bytes, only) if artifact else None
    if not script.is_file() or blob is None:
        again = state.steadiness.was_repeated(number)
        status = NOISY if noise else MEASURED if again else ONCE
        how = "more than once, the last time in a fresh process" if again else "once, and not again in another process"
        found = f"{told!r}, measured {how}; the problem ships no {VERIFY} with an artifact that could be recomputed"
        return Verification(status, id_, told, None, _own(population.sign, seed), noise or found, None if status == ONCE else gain)
    suffix = problem.contract.artifacts[artifact] if artifact else ""
    recomputed, said = _recomputed(script, blob, suffix)
    good = recomputed is not None and abs(difference(recomputed, told)) <= TOLERANCE * max(1.0, abs(told))
    found = f"{said}; {noise}" if noise else said
    status = VERIFIED if good else NOISY if noise else "refuted"
    return Verification(status, id_, told, recomputed, _own(population.sign, seed), found, gain if good else None)


def _own(sign: float, score: float | None) -> float | None:
    return None if score is None else sign * score


def _artifact(run: RunDir, id_: str, name: str, limit: int, only: str) -> bytes | None:
    """The artifact of the candidate's last good measurement, of several problems for that with the id ``only``."""
    from evolve.evaluate._outcome import unpack_artifact

    found = None
    for stamped in find_records(run.path, ("measured",), mention=id_):
        record = stamped.record
        if not isinstance(record, Measured) or only not in ("", record.problem):
            continue
        if record.result.candidate == id_ and record.result.status is Status.OK:
            found = record.result.artifacts.get(name, found)
    return None if found is None else unpack_artifact(found, limit)


def _recomputed(script: Path, blob: bytes, suffix: str) -> tuple[float | None, str]:
    """The score that ``verify.py`` gives (None: it refuses), and the last line it printed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"artifact{suffix}"
        file.write_bytes(blob)
        try:
            done = subprocess.run(
                [sys.executable, str(script), str(file)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TIME_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, f"{VERIFY} did not end within {TIME_S:.0f} s"
    lines = (done.stdout.strip() or done.stderr.strip() or f"{VERIFY} said nothing").splitlines()
    try:
        score = float(lines[-1].split()[-1])
    except (ValueError, IndexError):
        return None, f"{VERIFY} must end with the recomputed score, found {lines[-1]!r}"
    return (score if done.returncode == 0 and math.isfinite(score) else None), lines[-1]
