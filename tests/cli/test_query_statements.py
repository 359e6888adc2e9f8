"""``evolve query RUN "SQL"``: a statement is not tried as a path, whatever its length, and may come on stdin."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from cli_process import Say

import evolve

_COUNT = "SELECT count(*) AS n FROM candidates"


def statement(n_bytes: int) -> str:
    """One of this length that counts candidates."""
    return f"{_COUNT} --{'x' * (n_bytes - len(_COUNT) - 3)}"


@pytest.fixture
def typed_in(monkeypatch: pytest.MonkeyPatch):
    """Puts these bytes on stdin."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


@pytest.mark.parametrize("n_bytes", [254, 255, 256, 4095, 4096, 5000, 120_000])
def test_a_statement_of_any_length_is_answered(n_bytes: int, say: Say, undriven: Path) -> None:
    text = statement(n_bytes)
    assert len(text) == n_bytes
    assert say("query", undriven, text).split() == ["n", "1"]


def test_lines_and_slashes_are_none_of_a_path(say: Say, undriven: Path) -> None:
    lines = f"SELECT count(*) AS n\n\nFROM candidates\n-- a/b/c {'y' * 300}\nWHERE 4 / 2 = 2\n"
    assert say("query", undriven, lines).split() == ["n", "1"]


def test_what_no_word_can_hold_comes_on_stdin(say: Say, undriven: Path, typed_in) -> None:
    typed_in(statement(200_000).encode())
    assert say("query", undriven, "-").split() == ["n", "1"]
    assert evolve.open_run(undriven).query(statement(200_000)).rows == ((1,),)


@pytest.mark.parametrize(("text", "said"), [(b" \n", "found nothing; type: evolve query RUN - <"), (b"SELECT \xff", "UTF-8")])
def test_stdin_without_a_statement_is_one_sentence(text: bytes, said: str, say: Say, undriven: Path, typed_in) -> None:
    typed_in(text)
    error = say("query", undriven, "-", code=2)
    assert said in error
    assert error.count("\n") == 1


def test_a_statement_in_the_place_of_a_run_is_called_none(say: Say, undriven: Path) -> None:
    for words in ([statement(300), undriven], [statement(300), _COUNT], [undriven, undriven]):
        error = say("query", *words, code=2)
        assert error.startswith("evolve: expected ")
        assert error.count("\n") == 1
        assert len(error) < 700
