"""Every result says what graded it, and a run is never continued with another grader than the one that began it."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive import Measured, RunCreated, read_journal
from evolve import Budget, load_problem
from evolve._errors import ProblemError


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_every_result_names_the_problem_and_the_evaluator_that_graded_it(parabola) -> None:
    run = parabola(evaluations=12)
    summary = run.optimize()
    records = [stamped.record for stamped in read_journal(run.path)]
    created = next(record for record in records if isinstance(record, RunCreated))
    problem = load_problem(run.path / "problem")
    assert [(info.id, info.evaluator) for info in created.problems] == [(problem.id, problem.evaluator)]
    results = [record for record in records if isinstance(record, Measured)]
    assert len(results) == summary.measurements > 0
    assert {(record.problem, record.result.evaluator) for record in results} == {(problem.id, problem.evaluator)}


@pytest.mark.parametrize("name", ["evaluate.py", "problem.yaml", "initial/main.py"])
def test_one_changed_byte_in_the_runs_copy_stops_a_resume(parabola, name: str) -> None:
    run = parabola(evaluations=10)
    run.optimize()
    before = len(list(read_journal(run.path)))
    _flip(run.path / "problem" / name)
    with pytest.raises(ProblemError) as caught:
        run.resume(Budget(evaluations=20))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{name} in {run.path}/problem is not what")
    assert len(list(read_journal(run.path))) == before
