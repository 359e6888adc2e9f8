"""A table of results that a problem came with goes on: old rows as they were, a row for each candidate, no keep that is chance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from notebook_world import driven, height, script, writer

from evolve.config._schema import BudgetConfig
from evolve.testing import Harness, plain_contract, scored

FIVE = "commit\tmetric\tmemory_gb\tstatus\tdescription\na1b2c3d\t0.997900\t44.0\tkeep\tbaseline"
TEN = "commit\tstatus\tmetric\tnum_steps\tdepth\tmemory_gb\thost\tdescription\twall\tnotes\r\nabc\tkeep\t1.0\t1\t2\t3\th\td\t\t\r\n"


def table(folder: Path, head: bytes | None, **more) -> tuple[bytes, Harness]:
    folder.mkdir()
    if head is not None:
        (folder / "README.results.tsv").write_bytes(head)
    contract = replace(plain_contract(("main.py",), noisy="answer" in more), metric="val_bpb" if head == b"" else "metric")
    with Harness(script(**{"contract": contract} | more), folder) as run:
        kept = writer(run)
        run.drive()
        kept.write("done", "")
    return (folder / "results.tsv").read_bytes(), run


def test_a_table_of_five_columns_goes_on_behind_its_rows(tmp_path):
    found, run = table(tmp_path / "run", FIVE.encode())
    state = run.search.state
    assert found.startswith(FIVE.encode() + b"\n")
    rows = [line.split("\t") for line in found[len(FIVE) + 1 :].decode().splitlines()]
    candidates = state.population.candidates
    assert [row[0] for row in rows] == [one.id[:7] for one in candidates]
    assert {len(row) for row in rows} == {5}
    best = -1.0
    for number, (_, score, memory, status, words) in enumerate(rows):
        known = state.population.score(number)
        assert score == ("0.000000" if known is None else f"{known:.6f}")
        assert memory == "0.0"
        assert status == ("crash" if known is None else "keep" if known > best + 1e-12 else "discard")
        assert words == " ".join(state.memory.summaries[number].split())
        best = max(best, known if known is not None else best)
    assert {row[3] for row in rows} == {"keep", "discard", "crash"}


def test_a_table_of_ten_columns_has_metrics_in_theirs(tmp_path):
    def answer(entry, files):
        return replace(scored(height)(entry, files), metrics={"num_steps": 953.0, "peak_vram_mb": 45060.2}, memory_mib=7.0)

    folder = tmp_path / "run"
    found, _ = table(folder, TEN.encode(), answer=answer, contract=plain_contract(("main.py",), metric="metric"))
    assert found.startswith(TEN.encode())
    rows = [line.split("\t") for line in found[len(TEN.encode()) :].decode().split("\r\n")[:-1]]
    assert {len(row) for row in rows} == {10}
    assert {(row[3], row[4], row[5], row[6], row[8], row[9]) for row in rows} == {("953", "", "44.0", "", "", "")}
    assert rows[0][1] == "keep"


def test_a_checkout_without_a_table_gets_the_columns_of_autoresearch_and_no_problem_without_one_does(tmp_path):
    found, _ = table(tmp_path / "run", b"")
    assert found.splitlines()[0] == b"commit\tval_bpb\tmemory_gb\tstatus\tdescription"
    driven(tmp_path / "other")
    assert not (tmp_path / "other" / "results.tsv").exists()


def test_on_a_noisy_problem_only_what_is_better_beyond_its_scatter_is_kept(tmp_path):
    def flat(files, seed: int) -> float:
        return float(np.random.default_rng(seed % 2**32).standard_normal())

    more = {"answer": scored(flat), "budget": BudgetConfig(evaluations=250)}
    found, run = table(tmp_path / "run", FIVE.encode(), **more)
    kept = found[len(FIVE) + 1 :].count(b"\tkeep\t")
    rows = len(run.search.state.population.candidates)
    assert rows > 50
    assert kept <= 1 + 0.05 * rows  # the initial program, and chance


@pytest.mark.parametrize("head", [FIVE, "metric\tstatus\tcommit\tdescription\n"])
def test_rows_that_are_no_longer_in_memory_stay_as_they_were_written(tmp_path, head):
    _, before = table(tmp_path / "run", head.encode())
    path = tmp_path / "run" / "results.tsv"
    written = path.read_bytes()
    with Harness(before.script, tmp_path / "run") as run:
        for number in range(10):
            run.search.state.memory.feedback.pop(number, None)
            run.search.state.memory.summaries.pop(number, None)
        writer(run).write("done", "")
    assert path.read_bytes() == written
