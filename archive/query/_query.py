"""SQL over the journals of one or many runs, live or finished.

The journals' verified lines are handed to an in-memory DuckDB through its own JSON reader; nothing of the run is locked or written,
and there is no database file to keep in step.  A query sees the records that were there when it was opened.

The connection that people's SQL runs on can read nothing but these tables: no files, no network, no extensions, no settings.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from archive._errors import QueryError
from archive.journal._segments import Cursor
from archive.query._raw import RAW
from archive.query._tables import MEASUREMENTS, VIEWS

if TYPE_CHECKING:
    import duckdb

_KIND = b'"kind":"'
_TEXT = b'"text":{"data":"'
_SECRET = re.compile(rb',"secret":"[0-9a-f]*"(?=}$)')  # what measurement seeds derive from is in no table and no message
_PART_BYTES = 48 << 20  # on the temporary disk at a time, twice
_AGAIN_S = 0.05
_BATCH = 1024
_DEEPEST = 100
_MOST_SAID = 1000
_SAFE = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET python_enable_replacements = false",
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


@dataclass(frozen=True, slots=True)
class Table:
    """An answer: rows of plain Python values.  ``more`` says that there were further rows than the limit."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool = False


class Query:
    """Tables over some runs: ``runs, problems, candidates, measurements, elites, claims, tickets, llm_calls, events``.

    One thread.  Close it, or use it as a context manager.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Use ``open_query``."""
        self._connection = connection

    def sql(self, text: str, limit: int | None = None, *, seconds: float | None = None, most_bytes: int | None = None) -> Table:
        """The answer to one SELECT, at most ``limit`` rows of it.

        Args:
            text: The statement.
            limit: Rows; None: all.
            seconds: After which it is given up.  One call of a function of SQL is not cut short, which may cost some seconds more.
            most_bytes: What the values of the answer may take together, about.

        Raises:
            QueryError: not a single SELECT, one that DuckDB refuses, or one that takes too long or gives too much; the message is
                one sentence.
        """
        with ThreadPoolExecutor(1, "query") as worker:  # this thread can then be interrupted, which DuckDB does not look for
            answer = worker.submit(self._answer, text, limit, most_bytes)
            try:
                return answer.result(timeout=seconds)
            except TimeoutError:
                raise QueryError(f"the query was given up after {seconds:g} s; ask for less, or allow more time") from None
            finally:
                while not answer.done():  # an interrupt that comes between the steps of a query is lost
                    self._connection.interrupt()
                    wait([answer], _AGAIN_S)

    def _answer(self, text: str, limit: int | None, most_bytes: int | None) -> Table:
        import duckdb

        try:
            statements = self._connection.extract_statements(text)
            if len(statements) != 1 or statements[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
                raise QueryError("a query is one SELECT statement over " + ", ".join(VIEWS))
            cursor = self._connection.execute(statements[0])
            columns = tuple(column[0] for column in cursor.description or ())
            rows = _fetch(cursor, limit, most_bytes)
        except duckdb.Error as error:
            raise QueryError(_sentence(error)) from error
        more = limit is not None and len(rows) > limit
        return Table(columns, tuple(rows[:limit] if limit is not None else rows), more)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Query:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_query(runs: Sequence[Path]) -> Query:
    """Load the journals in the folders ``runs``; live ones up to the last whole line there is now.

    Raises:
        QueryError: DuckDB is not installed, ``runs`` is empty, a record is of a kind that a newer version wrote or holds what no
            table can, or there is no room for temporary files.
        JournalMissing, JournalDamaged, JournalSchema: as ``read_journal``.
    """
    connection = load(runs)
    for setting in _SAFE:
        connection.execute(setting)
    return Query(connection)


def load(runs: Sequence[Path]) -> duckdb.DuckDBPyConnection:
    """A connection with all views in place, not yet made safe for people's SQL.  Raises as ``open_query``."""
    try:
        import duckdb
    except ModuleNotFoundError as error:
        raise QueryError("queries need the package duckdb, which is not installed; run: pip install duckdb") from error
    if not runs:
        raise QueryError("a query needs at least one run; name the folder of a run")
    connection = duckdb.connect()
    try:
        connection.execute("CREATE SCHEMA raw")
        for kind, columns in RAW.items():
            fields = ", ".join(f'"{name}" {type_}' for name, type_ in columns.items())
            connection.execute(f"CREATE TABLE raw.{kind} ({fields})")
        with tempfile.TemporaryDirectory(prefix="evolve-query-") as folder, ThreadPoolExecutor(1) as reader:
            reading: Future[None] | None = None
            for part in _parts(runs, Path(folder)):
                if reading is not None:
                    reading.result()
                reading = reader.submit(_read, connection, part)  # while the next part is verified
            if reading is not None:
                reading.result()
        _build(connection, [Path(run) for run in runs])
    except BaseException:
        connection.close()
        raise
    return connection


def _fetch(cursor: duckdb.DuckDBPyConnection, limit: int | None, most_bytes: int | None) -> list[tuple[Any, ...]]:
    """Rows, one more than the limit if there are so many; few at a time, as one cell may be larger than all that is wanted.

    Raises:
        QueryError: they take more than ``most_bytes``.
    """
    rows: list[tuple[Any, ...]] = []
    left, batch = most_bytes, 1
    while limit is None or len(rows) <= limit:
        found = cursor.fetchmany(batch if limit is None else min(batch, limit + 1 - len(rows)))
        if not found:
            break
        rows += found
        batch = min(2 * batch, _BATCH)
        if left is not None:
            left -= sum(_size(cell) for row in found for cell in row)
            if left < 0:
                raise QueryError(
                    f"the answer has more than {most_bytes} bytes; "
                    "ask for fewer rows or columns, or for left(COLUMN, 200) of one with long texts"
                )
    return rows


def _size(value: object, depth: int = 0) -> int:
    """About as many bytes as it takes in JSON."""
    if isinstance(value, str | bytes):
        return len(value)
    if depth > _DEEPEST:
        raise QueryError(f"the answer nests more than {_DEEPEST} deep; ask for a part of it")
    if isinstance(value, dict):
        return sum(_size(key, depth + 1) + _size(item, depth + 1) for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(_size(item, depth + 1) for item in value)
    return 8


def _parts(runs: Sequence[Path], folder: Path) -> Iterator[Path]:
    """The verified records in handy parts: folders with one file a kind."""
    part, size = folder / "0", 0
    part.mkdir()
    for number, run in enumerate(runs):
        for batch in Cursor(Path(run)).batches():
            size += _split(batch, number, part)
            if size > _PART_BYTES:
                yield part
                part, size = folder / str(int(part.name) + 1), 0
                part.mkdir()
    yield part


def _split(batch: list[bytes], number: int, part: Path) -> int:
    """Append records to the file of their kind, each marked with its run's number, without the candidates' texts."""
    glue = b'\n{"run_no":%d,' % number
    lines: dict[bytes, list[bytes]] = defaultdict(lambda: [b""])
    for line in batch:
        start = line.index(_KIND) + len(_KIND)
        kind = line[start : line.index(b'"', start)]
        if kind == b"proposed" and (start := line.find(_TEXT)) > 0:
            start += len(_TEXT)
            lines[kind].append(line[21:start] + line[line.index(b'"', start) : -1])
        elif kind == b"run_created":
            lines[kind].append(_SECRET.sub(b"", line[21:-1]))
        else:
            lines[kind].append(line[21:-1])
    size = 0
    try:
        for kind, found in lines.items():
            with (part / kind.decode()).open("ab") as file:
                size += file.write(glue.join(found))
    except OSError as error:
        raise QueryError(
            f"the temporary folder {part} cannot be written ({error.strerror}); set TMPDIR to one with room"
        ) from error
    return size


def _read(connection: duckdb.DuckDBPyConnection, part: Path) -> None:
    import duckdb

    for path in sorted(part.iterdir()):
        columns = RAW.get(path.name)
        if columns is None:
            raise QueryError(f"unknown record kind {path.name!r}: update this installation to the version that wrote the run")
        names = ", ".join(f'"{name}"' for name in columns)
        types = ", ".join(f"'{name}': '{type_}'" for name, type_ in columns.items())
        source = f"read_json(?, format = 'newline_delimited', columns = {{{types}}})"
        insert = f"INSERT INTO raw.{path.name} SELECT {names} FROM {source}"
        try:
            try:
                connection.execute(insert, [str(path)])
            except (duckdb.InvalidInputException, duckdb.ConversionException):
                _clamp(path)
                connection.execute(insert, [str(path)])
        except duckdb.Error as error:
            raise QueryError(
                f"records of kind {path.name} cannot be read into a table ({_message(error)}); leave that run out"
            ) from error
    shutil.rmtree(part)


def _clamp(path: Path) -> None:
    """Whole numbers in records become the nearest that a table can hold; runs of older versions took larger ones as limits."""
    with path.open("rb") as lines, path.with_suffix(".clamped").open("w", encoding="utf-8") as file:
        for line in lines:
            if line.strip():
                file.write(json.dumps(json.loads(line, parse_int=_nearest)) + "\n")
    path.with_suffix(".clamped").replace(path)


def _nearest(digits: str) -> int:
    value = int(digits[:30])  # as good as all: further digits do not bring it back, and a number of thousands is refused
    return max(-(2**63), min(value, 2**63 - 1))


def _build(connection: duckdb.DuckDBPyConnection, runs: list[Path]) -> None:
    """The views that people see."""
    connection.execute("CREATE TABLE raw.runs (run_no INTEGER, folder VARCHAR, run VARCHAR)")
    names = dict(connection.execute("SELECT run_no, run FROM raw.run_created").fetchall())
    for number, run in enumerate(runs):
        folder = str(run).encode(errors="backslashreplace").decode()  # a name that is no UTF-8 is escaped: the tables are
        name = names.get(number, Path(folder).name)
        taken = list(names.values()).count(name) > 1  # two runs of one name are told apart by their folders
        connection.execute("INSERT INTO raw.runs VALUES (?, ?, ?)", [number, folder, f"{name}@{folder}" if taken else name])
    ends = " UNION ALL ".join(f'SELECT run_no, max("at") AS s FROM raw.{kind} GROUP BY run_no' for kind in RAW)
    connection.execute(f"CREATE VIEW raw.ends AS SELECT run_no, max(s) AS last_s FROM ({ends}) GROUP BY run_no")
    connection.execute(f"CREATE VIEW raw.measurements AS {MEASUREMENTS}")
    for name, text in VIEWS.items():
        connection.execute(f"CREATE VIEW {name} AS {text}")


def _sentence(error: Exception) -> str:
    """What is wrong with a query.  Where no such table is known it may know some that are its own: people are told the views."""
    said, _, meant = _message(error).partition(" Did you mean ")
    views = f" The views are {', '.join(VIEWS)}." if meant.startswith('"raw.') else ""
    return f"the query cannot be run: {said}" + (views or (f" Did you mean {meant}" if meant else ""))


def _message(error: Exception) -> str:
    """DuckDB's message on one line, without its picture of the statement; it may quote a value of any length."""
    text = str(error)[: 2 * _MOST_SAID].split("\nLINE ", 1)[0]
    text = " ".join(text.split())
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]} ..."
