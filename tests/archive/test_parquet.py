"""The Parquet export, and how many lines a change has."""

from __future__ import annotations

from pathlib import Path

import pytest
from journal_records import ToyRun

from archive import QueryError, Status, changed_lines, export_parquet, open_query


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


def test_export_names_a_folder_that_duckdb_cannot_be_told(family: tuple[ToyRun, list[str]], tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"expected a folder whose name is UTF-8, found .*\\udcff.*; choose another"):
        export_parquet([family[0].folder], tmp_path / "a\udcffb")
