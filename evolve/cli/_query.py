"""Everything that was tried, as tables: query, export."""

from __future__ import annotations

import math
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evolve._errors import EXIT_DONE, RunError, UsageError
from evolve.cli._command import JSON, Argument, Verb
from evolve.cli.show._text import GAINS, columns, number, one_line, put, put_json

if TYPE_CHECKING:
    from archive import Table

LIMIT = 1000
MOST_BYTES = 1 << 28  # of an answer; evolve export has no such bound
MOST_S = 86400.0
_CELL = 60
_SHOWN = 200  # characters of what was typed and is no run
FROM_STDIN = "-"


def query(words: Namespace) -> int:
    from evolve.cli.show._json_runs import query_json

    *paths, sql = words.WORD
    if not paths or os.path.isdir(sql):  # which takes a statement of any length for no folder
        found = one_line(" ".join(words.WORD), _SHOWN)
        raise UsageError(f"expected runs and then one SELECT, found {found!r}; type: evolve query RUN {GAINS}")
    limit = _limit(words.limit)
    table = table_of(paths, _typed_in() if sql == FROM_STDIN else sql, limit, _seconds(words.seconds))
    if words.json:
        put_json(query_json(table))
        return EXIT_DONE
    rows = [table.columns, *([_cell(cell) for cell in row] for row in table.rows)]
    put(columns(rows))
    if table.more:
        put(f"... more than {limit} rows; type --limit 0 for all")
    return EXIT_DONE


def table_of(paths: Sequence[str], sql: str, limit: int, seconds: float | None, most_bytes: int = MOST_BYTES) -> Table:
    """What one SELECT gives over these runs, at most ``limit`` rows (0: all).

    Raises:
        RunError: there is no run in one of the paths.
        QueryError: the statement is none that reads, or it takes longer than ``seconds`` or gives more than ``most_bytes``.
    """
    from archive import open_query

    with open_query(find_runs(paths)) as tables:
        return tables.sql(sql, limit=limit or None, seconds=seconds, most_bytes=most_bytes)


def export(words: Namespace) -> int:
    runs = find_runs(words.RUN)
    out = Path(words.out) if words.out else (runs[0] / "export" if len(runs) == 1 else Path("export"))
    from archive import export_parquet

    files = tuple(str(path) for path in export_parquet(runs, out))
    if words.json:
        put_json({"files": files})
    else:
        put("\n".join(files))
    return EXIT_DONE


def find_runs(paths: Sequence[str]) -> list[Path]:
    """The runs that are meant: a run's folder, or a folder of runs, which stands for all in it.

    Raises:
        RunError: there is no run in one of them.
    """
    from evolve.runs._folder import open_folder

    runs: list[Path] = []
    for word in paths:
        if not os.path.isdir(word):
            found = "a file" if os.path.exists(word) else "nothing"
            raise RunError(f"expected a run's folder, found {found} at {one_line(str(word), _SHOWN)}; see: evolve list")
        path = Path(word)
        inside = sorted(one.parent for one in path.glob("*/run.json"))
        runs += inside if inside and not (path / "run.json").exists() else [open_folder(path).path]
    return list(dict.fromkeys(runs))


def _typed_in() -> str:
    """The statement on stdin."""
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"expected a SELECT in UTF-8 on stdin, found a byte that is none ({error.reason}); save it as UTF-8"
        ) from None
    if not text.strip():
        raise UsageError("expected a SELECT on stdin, found nothing; type: evolve query RUN - < FILE.sql")
    return text


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT
    if not text.isdigit():
        raise UsageError(f"--limit takes a whole number (0: no limit), found {text!r}; type for example --limit 20")
    return int(text)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= MOST_S:
        raise UsageError(f"--seconds takes a time above 0, at most {MOST_S:.0f}, found {text!r}; type for example --seconds 60")
    return value


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    return number(value) if isinstance(value, float) else one_line(str(value), _CELL)


VERBS = (
    Verb(
        "query",
        "SQL over one or many runs, also while they are going on",
        (
            Argument("WORD", "runs (or folders of runs), then one SELECT, or - for one on stdin", many="+"),
            Argument("--limit", f"rows to print (default {LIMIT}, 0: all)", value="N"),
            Argument("--seconds", "give up after so long (default: never)", value="N"),
            JSON,
        ),
        query,
        notes=f"""\
tables: runs, problems, candidates, measurements, elites, claims, tickets, llm_calls, events
examples:
  evolve query RUN {GAINS}
  evolve query runs "SELECT run, max(gain) FROM candidates GROUP BY 1 ORDER BY 2 DESC"
  evolve query RUN - < long.sql
A statement may have any length; the system takes some 128 KiB as a word, and everything on stdin.
""",
    ),
    Verb(
        "export",
        "the same tables as Parquet files",
        (
            Argument("RUN", "runs, or folders of runs", many="+"),
            Argument("--out", "the folder (default: RUN/export, or ./export for several)", short="-o", value="DIR"),
            JSON,
        ),
        export,
    ),
)
