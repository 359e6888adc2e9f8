"""Characters that nobody sees, in marker lines: the block is read, and its text stays as it was sent."""

from __future__ import annotations

import pytest

from evolve.propose import EditScope
from evolve.propose.answers._formats import parse_answer
from evolve.propose.answers._reader import marker_of
from evolve.propose.edits._apply import apply_edits
from evolve.propose.edits._edits import Applied, EditFailure, Format

ZERO = "\u200b"
PARENT = f'A = 1\nNAME = "a{ZERO}b"\nB = 2\n'
FILES = {"main.py": PARENT}
BLOCK = ("<<<<<<< SEARCH", "A = 1", "=======", "A = 3", ">>>>>>> REPLACE")
UNSEEN = ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u200e"]
SPACES = ["\u00a0", "\u2009", "\u202f", "\u3000", " ", "\t"]


def child(text: str) -> str:
    answer = parse_answer(text, Format.DIFF, FILES)
    if isinstance(answer, EditFailure) or answer.rejected:
        return "refused"
    made = apply_edits(FILES, answer.edits, EditScope(("main.py",), may_add_files=False, max_bytes=10_000))
    return dict(made.files)["main.py"] if isinstance(made, Applied) else "refused"


def block(changed: int, line: str) -> str:
    return "\n".join(["main.py", *(line if i == changed else each for i, each in enumerate(BLOCK)), ""])


@pytest.mark.parametrize("marker", [0, 2, 4])
@pytest.mark.parametrize("one", UNSEEN)
def test_a_marker_is_known_with_an_unseen_character_anywhere_in_it(marker: int, one: str) -> None:
    plain = BLOCK[marker]
    for at in range(len(plain) + 1):
        assert child(block(marker, plain[:at] + one + plain[at:])) == PARENT.replace("A = 1", "A = 3"), at


@pytest.mark.parametrize("marker", [0, 2, 4])
@pytest.mark.parametrize("one", SPACES)
def test_a_marker_is_known_with_any_space_behind_it_and_in_it(marker: int, one: str) -> None:
    plain = BLOCK[marker]
    forms = [plain + one, plain + one + ZERO + one, *([plain.replace(" ", one)] if one != "\t" else [])]
    for form in forms:
        assert child(block(marker, form)) == PARENT.replace("A = 1", "A = 3"), ascii(form)


@pytest.mark.parametrize("one", UNSEEN)
def test_the_text_between_markers_never_changes(one: str) -> None:
    sent = f"<<<<<<< {ZERO}SEARCH\nA = 1\n{ZERO}=======\nA = 'x{one}y'\n# {one}\n>>>>>>> REPLACE{ZERO}\n"
    assert child(f"main.py\n{sent}") == PARENT.replace("A = 1\n", f"A = 'x{one}y'\n# {one}\n")
    found = '<<<<<<< SEARCH\nNAME = "a\u200bb"\n=======\nNAME = "ab"\n>>>>>>> REPLACE\u2060\n'
    assert child(f"main.py\n{found}") == PARENT.replace(f"a{ZERO}b", "ab")


@pytest.mark.parametrize("line", ["```python\u200b", "\u200b```", "a ======= b\u200b", "# SEARCH\u200b", "x\u2060", "\u200b"])
def test_what_is_no_marker_stays_as_it_is(line: str) -> None:
    assert marker_of(line) == line.strip()


def test_tags_of_thinking_within_such_a_block_are_its_text() -> None:
    sent = f"main.py\n<<<<<<< SEARCH{ZERO}\nA = 1\n=======\nA = '''\n<think>\n'''\n>>>>>>> REPLACE{ZERO}\n"
    assert child(sent) == PARENT.replace("A = 1", "A = '''\n<think>\n'''")
