"""What is beyond a gate never stands in the archive nor leads, however good it would be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from archive import BlockEntry, ElitePlaced, Measured, Measurement, Status, read_journal
from evolve.config._schema import BudgetConfig
from evolve.evaluate import Outcome
from evolve.evaluate._outcome import check_outcome
from evolve.problem.contract._contract import Gate
from evolve.testing import Harness, Script, plain_contract

CEILING = 0.5
CONTRACT = plain_contract(gates=(Gate(metric="value", ceiling=CEILING, why="as said"),))


def _answer(entry: BlockEntry, files: Mapping[str, str]) -> Measurement:
    found = re.search(r"X = (\S+)", files["main.py"])
    judged = check_outcome(Outcome(score=float(found[1]) if found else 0.0), CONTRACT, entry.stage)
    return Measurement(entry.candidate, entry.stage, entry.seed, judged.status, judged.score, judged.reason, start=entry.start)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_quarantined_is_never_placed_and_never_leads(tmp_path: Path, seed: int) -> None:
    budget = BudgetConfig(evaluations=80)
    script = Script(seed_files={"main.py": "X = 0.3\n"}, answer=_answer, contract=CONTRACT, budget=budget, seed=seed)
    with Harness(script, tmp_path) as run:
        run.drive()
        leader = run.search.state.population.leader
        assert leader is not None
        assert 0.3 < (run.search.state.population.score(leader) or 0.0) <= CEILING
    records = [stamped.record for stamped in read_journal(tmp_path)]
    held = {one.result.candidate for one in records if isinstance(one, Measured) and one.result.status is Status.REJECTED}
    assert held, "the search never came to the bound: the test shows nothing"
    assert not held & {one.candidate for one in records if isinstance(one, ElitePlaced)}
