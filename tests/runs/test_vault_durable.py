"""Sizes and seeds of a vault are on the disk before its first run is handed out."""

from __future__ import annotations

import random

from archive import ConfirmationOpened, MeasureIssued, Measurement, Purpose, Status, read_journal
from evolve import Budget
from evolve.testing import Harness, Script, plain_contract


def test_an_opening_is_durable_before_its_first_run(tmp_path):
    seen = []

    def answer(entry, files):
        level = 0.0 if entry.candidate == seed else 3.0
        score = level + float(random.Random(f"{entry.seed} {entry.candidate}").gauss())
        output = f"{entry.candidate}{entry.seed}"
        return Measurement(entry.candidate, entry.stage, entry.seed, Status.OK, score=score, output_hash=output)

    def watch(search, stamped):
        record = stamped.record
        if isinstance(record, MeasureIssued) and record.purpose is Purpose.VAULT:
            opened = [one for one in read_journal(tmp_path / "run") if isinstance(one.record, ConfirmationOpened)]  # from the disk
            seeds = {one_seed for one in opened for one_seed in one.record.seeds}
            assert {entry.seed for entry in record.entries} <= seeds
            assert all(one.seq <= harness.journal.durable_seq for one in opened)
            seen.append(len(record.entries))

    script = Script(
        seed_files={"main.py": "A = 1.5\nB = 2.5\n"},
        answer=answer,
        contract=plain_contract(noisy=True),
        budget=Budget(evaluations=200),
        hooks=(watch,),
    )
    with Harness(script, tmp_path / "run") as harness:
        seed = harness.search.state.population.candidates[0].id
        harness.drive()
        assert harness.search.state.confirmations.confirmations
    assert sum(seen) >= 12
