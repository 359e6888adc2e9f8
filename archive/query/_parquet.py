"""The tables of a query as Parquet files, for notebooks and other tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archive._errors import QueryError
from archive.query._query import load
from archive.query._tables import VIEWS


def export_parquet(runs: Sequence[Path], out: Path) -> tuple[Path, ...]:
    """Write one Parquet file (zstd) a table into the folder ``out``, made if needed; returns their paths.

    Each appears by a rename, so that a reader never sees half a file.  Existing files of these names are replaced.

    Raises:
        QueryError: DuckDB is not installed, ``runs`` is empty, or ``out`` cannot be written.
        JournalMissing, JournalDamaged, JournalSchema: as ``read_journal``.
    """
    try:
        str(out).encode()
    except UnicodeEncodeError as error:
        raise QueryError(f"expected a folder whose name is UTF-8, found {str(out)!r}; choose another") from error
    connection = load(runs)
    import duckdb

    paths = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in VIEWS:
            path = out / f"{name}.parquet"
            draft = out / f".{name}.parquet.new"
            target = str(draft).replace("'", "''")
            connection.execute(f"COPY (SELECT * FROM {name}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
            draft.replace(path)
            paths.append(path)
    except (OSError, duckdb.IOException) as error:
        raise QueryError(f"expected a folder that can be written, but {out} cannot ({error}); choose another") from error
    finally:
        connection.close()
    return tuple(paths)
