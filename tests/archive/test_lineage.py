"""How a candidate came about, and the Parquet export."""

from __future__ import annotations

from pathlib import Path

import pytest
from journal_records import ToyRun

from archive import JournalMissing, QueryError, Status, export_parquet, lineage, open_query
from archive._lineage import changed_lines


@pytest.fixture
def family(tmp_path: Path) -> tuple[ToyRun, list[str]]:
    run = ToyRun(tmp_path / "run")
    seed = run.propose({"m.py": "a\nb\nc\n"})
    run.measure(seed, [1.0, 2.0, 3.0])
    left = run.propose({"m.py": "a\nB\nc\n"}, (seed,), "edit", summary="b to B", generation=1)
    run.measure(left, [4.0])
    right = run.propose({"m.py": "a\nb\nc\nd\n"}, (seed,), "tune", generation=1)
    run.measure(right, [None], failure=Status.CRASH)
    child = run.propose({"m.py": "B\nc\n", "n.py": "new\n"}, (left, right), "crossover", generation=2)
    run.measure(child, [5.0], "tiny")
    run.close()
    return run, [seed, left, right, child]


def test_first_parents_oldest_first(family: tuple[ToyRun, list[str]]) -> None:
    run, (seed, left, _, child) = family
    steps = lineage(run.folder, child)
    assert [step.id for step in steps] == [seed, left, child]
    assert [step.operator for step in steps] == ["seed", "edit", "crossover"]
    assert [(step.added, step.removed) for step in steps] == [(3, 0), (1, 1), (1, 1)]
    assert [step.stage for step in steps] == ["full", "full", "tiny"]
    assert steps[1].summary == "b to B"
    assert [step.generation for step in steps] == [0, 1, 2]


def test_all_parents_and_failures(family: tuple[ToyRun, list[str]]) -> None:
    run, (seed, left, right, child) = family
    steps = {step.id: step for step in lineage(run.folder, child, all_parents=True)}
    assert list(steps) == [seed, left, right, child]
    assert (steps[right].status, steps[right].score) == (Status.CRASH, None)


def test_scores_agree_with_the_query(family: tuple[ToyRun, list[str]]) -> None:
    run, names = family
    with open_query([run.folder]) as query:
        rows = {row[0]: row[1:] for row in query.sql("SELECT id, status, score, sd, n, stage FROM candidates").rows}
    for step in lineage(run.folder, names[-1], all_parents=True):
        assert (step.status, step.n, step.stage or None) == (rows[step.id][0], rows[step.id][3], rows[step.id][4])
        assert (step.score, step.sd) == (pytest.approx(rows[step.id][1]), pytest.approx(rows[step.id][2]))


def test_unknown_candidates_and_runs(family: tuple[ToyRun, list[str]], tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        lineage(family[0].folder, "nobody")
    with pytest.raises(JournalMissing):
        lineage(tmp_path, "nobody")


def test_changed_lines_counts_added_and_removed_files() -> None:
    assert changed_lines({"a": "1\n2\n"}, {"b": "1\n2\n3\n"}) == (3, 2)
    assert changed_lines({"a": "1\n2\n3"}, {"a": "1\n3\n4"}) == (1, 1)
    assert changed_lines({}, {}) == (0, 0)


def test_export_gives_a_file_a_table_that_reads_back(family: tuple[ToyRun, list[str]], tmp_path: Path) -> None:
    import duckdb

    run, _ = family
    out = tmp_path / "it's here" / "parquet"
    paths = export_parquet([run.folder], out)
    assert {path.name for path in out.iterdir()} == {path.name for path in paths}
    assert len(paths) == 9
    with duckdb.connect() as connection, open_query([run.folder]) as query:
        for path in paths:
            assert tuple(connection.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()) == (
                query.sql(f"SELECT * FROM {path.stem}").rows
            )
    assert export_parquet([run.folder], out) == paths  # again, over the old files


def test_export_names_a_folder_that_cannot_be_written(family: tuple[ToyRun, list[str]], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QueryError, match="choose another"):
        export_parquet([family[0].folder], tmp_path / "file" / "below")
