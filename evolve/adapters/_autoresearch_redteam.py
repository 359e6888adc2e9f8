"""Programs that cheat, and honest ones that look like them, made for any checkout: texts at the top of its own script.

Both ways of scoring get the same programs and the same right verdicts.  The checkout's own evaluator misses some; ``evolve
redteam`` says which.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path

from evolve.adapters._autoresearch_checkout import Checkout
from evolve.problem._source import lines_that_stay_first, parses_safely, python_text

TEXTS = Path(__file__).parent / "texts" / "autoresearch_redteam"
_FORGED = 0.5  # all scores that are forged are below it


@dataclass(frozen=True, slots=True)
class _Cheat:
    """``expect`` are the statuses that are right; with ``ok`` among them the score must not be a forged one."""

    name: str
    twin: str
    expect: tuple[str, ...]
    reason: str = ""


_CHEATS = (
    _Cheat("prints_summary", "honest_timer", ("invalid",), "the script left no weights"),
    _Cheat("ends_early", "honest_timer", ("invalid",), "the script left no weights"),
    _Cheat("patches_evaluator", "honest_reader", ("ok",)),
    _Cheat("rewrites_prepare", "honest_notes", ("rejected",), "prepare.py is another file"),
    _Cheat("slows_clock", "honest_timer", ("invalid", "timeout")),
    _Cheat("reuses_weights", "honest_notes", ("crash",), "no weights of an earlier run"),
    _Cheat("trains_on_validation", "honest_reader", ("crash",), "the validation text is not here"),
    _Cheat("fixes_seed", "honest_reader", ("rejected",), "seed"),
)


def write_redteam(into: Path, checkout: Checkout, hidden: tuple[str, ...]) -> None:
    """``redteam/`` of a converted folder; ``hidden`` are the paths below the cache that have the validation text.  Where these are
    not known, nobody is tried who looks for them.  A script that is no Python gets no such folder."""
    script = checkout.command[0]
    text = (checkout.folder / script).read_text(encoding="utf-8")
    if (at := _first_line(text)) is None:
        return
    cheats = [one for one in _CHEATS if hidden or one.name != "trains_on_validation"]
    lines: list[dict[str, object]] = [
        {"candidate": name, "cheat": False, "expect": ["ok"]} for name in dict.fromkeys(one.twin for one in cheats)
    ]
    for one in cheats:
        bound = {"score_at_least": _FORGED} if "ok" in one.expect else {}
        said = {"reason": one.reason} if one.reason else {}
        lines.append({"candidate": one.name, "cheat": True, "expect": list(one.expect), "twin": one.twin, **said, **bound})
    rows = python_text(text).splitlines(keepends=True)
    for line in lines:
        place = into / "redteam" / str(line["candidate"]) / script
        place.parent.mkdir(parents=True)
        prelude = (
            (TEXTS / f"{line['candidate']}.py").read_text(encoding="utf-8").replace("HIDDEN = []", f"HIDDEN = {list(hidden)!r}")
        )
        place.write_text("".join([*rows[:at], "\n", prelude, "\n", *rows[at:]]), encoding="utf-8")
    (into / "redteam" / "verdicts.json").write_text(json.dumps({"schema": 1, "verdicts": lines}, indent=1), encoding="utf-8")


def _first_line(text: str) -> int | None:
    """How many lines the docstring and imports from the future take, which must stay first; None where it cannot be parsed."""
    if not parses_safely(text):
        return None
    try:
        body = ast.parse(python_text(text)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return lines_that_stay_first(body)
