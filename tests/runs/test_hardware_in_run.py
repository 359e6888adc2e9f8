"""A run says what it was measured on; one whose scores hang on speed goes on on the same hardware alone."""

from __future__ import annotations

import re

import pytest

import evolve
from archive import HardwareSeen, Measured, read_journal
from evolve import Budget
from evolve._errors import EnvironmentFault
from evolve.cli import main

CPU = "evolve.evaluate.isolation._hardware.cpu_model"


def records(run, kind):
    return [stamped.record for stamped in read_journal(run.path) if isinstance(stamped.record, kind)]


@pytest.fixture
def timed(parabola, problem):
    """A run of the tiny problem as if its scores were times."""

    def make(**limits):
        file = problem() / "problem.yaml"
        file.write_text(file.read_text() + "compute_rule: wall\n")
        return parabola(**limits)

    return make


def test_what_it_was_measured_on_is_said_once_and_shown_with_what_is_claimed(parabola, capsys):
    run = parabola(evaluations=12)
    run.optimize()
    (seen,) = records(run, HardwareSeen)
    here = seen.hardware
    assert seen.id == here.id
    assert here.cpu
    assert {one.result.hardware for one in records(run, Measured)} == {here.id}
    assert run.query("SELECT DISTINCT hardware FROM measurements").rows == ((str(here),),)
    exact = run.claims().exact
    assert (exact.hardware, exact.depends_on_speed) == ((str(here),), False)
    main(["claims", str(run.path)])
    assert f"measured  on {here}\n" in capsys.readouterr().out


def test_a_run_whose_scores_hang_on_speed_goes_on_on_its_own_hardware_alone(timed, monkeypatch, capsys):
    run = timed(evaluations=12)
    run.optimize()
    before, here = records(run, object), records(run, HardwareSeen)[0].hardware
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(CPU, lambda: "Another CPU")
        with pytest.raises(EnvironmentFault, match=rf"expected {re.escape(str(here))}, .* found Another CPU: scores of parabola"):
            evolve.open_run(run.path).resume(Budget(evaluations=20))
    assert records(run, object) == before
    assert evolve.open_run(run.path).resume(Budget(evaluations=20)).measurements > 12
    main(["claims", str(run.path)])
    assert f"measured  on {here}; scores hang on speed, so it holds there\n" in capsys.readouterr().out


def test_a_run_whose_scores_do_not_goes_on_anywhere(parabola, monkeypatch):
    run = parabola(evaluations=12)
    run.optimize()
    monkeypatch.setattr(CPU, lambda: "Another CPU")
    evolve.open_run(run.path).resume(Budget(evaluations=20))
    assert [one.hardware.cpu == "Another CPU" for one in records(run, HardwareSeen)] == [False, True]
    assert len({one.result.hardware for one in records(run, Measured)}) == 2
