"""The end of a message about a word that nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve._errors import meant, suggest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("found", "form", "more"),
    [
        ("bets", "{}", "did you mean best?"),
        ("bets", "evolve {}", "did you mean evolve best?"),
        ("xyz", "{}", "type: x"),
        ("", "{}", "type: x"),
        ("{0}", "{}", "type: x"),
    ],
)
def test_what_is_close_is_named_and_else_what_to_type(found: str, form: str, more: str) -> None:
    assert suggest(found, iter(("best", "query")), "type: x", form) == more


@given(st.text(), st.lists(st.text()))
def test_only_what_is_known_is_meant_and_what_is_known_means_itself(found: str, known: list[str]) -> None:
    assert meant(found, known) in ("", *known)
    assert all(meant(one, known) == one for one in known)


def test_suggestions_have_one_place() -> None:
    modules = (ROOT / "evolve").rglob("*.py")
    users = {path.relative_to(ROOT).as_posix() for path in modules if "get_close_matches" in path.read_text(encoding="utf-8")}
    assert users == {"evolve/_errors.py", "evolve/models/_model_info.py"}  # the second lists the three closest of a catalogue
