"""One list of characters for text of unknown origin, and what each place that keeps or shows such text does beside it."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve._untrusted import clean, visible
from evolve.cli.show import _text as shown
from evolve.evaluate import _outcome
from evolve.evaluate._text import clean_log, clean_text
from evolve.propose.prompts import _text as prompted

PLACES = {
    "visible": visible,
    "clean": clean,
    "record": clean_text,
    "log": lambda text: clean_log(text.encode("utf-8", "replace")),
    "outcome": lambda text: _outcome.clean(text, 4000),
    "reason": _outcome.line,
    "prompt": lambda text: prompted.clean(text, 4000),
    "line of a prompt": lambda text: prompted.one_line(text, 4000),
    "line on a terminal": lambda text: shown.one_line(text, 4000),
}
HIDDEN = (
    "\x00\x07\x0b\x7f\x85\u00ad\u034f\u061c\u115f\u200b\u200d\u2028\u202e\u2066\u3164\ue000\ufe0f\ufeff\uffff"
    "\U000e0041\U000e0100\U00100000"
)
DROPPED = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")

every_place = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


@every_place
@pytest.mark.parametrize("char", HIDDEN, ids=lambda char: f"{ord(char):x}")
def test_what_no_reader_sees_goes_everywhere(place, char: str) -> None:
    assert place(f"a{char}b") == "ab"


@every_place
@pytest.mark.parametrize("text", ["é ß 中文 한글 עברית", "a � b", "😀 ± ≤ ½", "x[i] < y > z", "tab\tand"])
def test_what_a_reader_sees_stays_everywhere(place, text: str) -> None:
    assert place(text).split() == text.split()


@every_place
@given(text=st.text() | st.text(alphabet="\x1b\x9b[]PX^_;0m\x07\\\n\r\t ab<>\u202e\ufe0f", max_size=40))
def test_nothing_of_the_list_is_left_of_any_text_and_no_second_look_changes_it(place, text: str) -> None:
    found = place(text)
    assert visible(found) == found
    assert place(found) == found
    assert not any(unicodedata.category(char) in DROPPED for char in found if char not in "\n\t")


def test_the_list_has_every_character_that_this_python_calls_unseen() -> None:
    unseen = {chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in DROPPED} - set("\n\t")
    assert not {char for char in unseen if visible(char)}


def test_the_list_has_no_character_that_shows_something_but_for_the_selectors_and_fillers() -> None:
    more = {
        chr(code) for code in range(sys.maxunicode + 1) if not visible(chr(code)) and unicodedata.category(chr(code)) not in DROPPED
    }
    fillers = set("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
    selectors = {char for char in more if "VARIATION SELECTOR" in unicodedata.name(char, "")}
    assert len(selectors) > 250
    assert {char for char in more - fillers - selectors if unicodedata.category(char) != "Cn"} == set()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x1b\\x", "x"),
        ("\x1bPq#0\x1b\\x", "x"),
        ("\x9b31mred", "red"),
        ("\x1bcx", "x"),
        ("a\rb\r\nc", "a\nb\nc"),
    ],
)
@pytest.mark.parametrize("place", [clean, PLACES["log"], PLACES["outcome"], PLACES["prompt"]])
def test_records_and_prompts_are_without_whole_sequences(place, raw: str, text: str) -> None:
    assert place(raw) == text


@pytest.mark.parametrize("place", [clean, PLACES["log"], PLACES["outcome"], PLACES["prompt"]])
@pytest.mark.parametrize("start", ["\x1b]", "\x1bP", "\x1b[", "\x9b", "\x1b"])
@pytest.mark.parametrize("end", ["", "\x07", "\x1b\\"])
def test_a_sequence_takes_no_line_below_its_own_with_it(place, start: str, end: str) -> None:
    assert place(f"one{start}\ntwo\nthree{end}").split() == ["one", "two", "three"]


def test_a_program_is_shown_with_what_stands_in_its_sequences() -> None:
    assert visible('x = "\x1b]"; cheat() # \x07') == 'x = "]"; cheat() # '


@pytest.mark.parametrize("part", ["\x1b]", "\x1b[", "\x1bP\x1b", "\x1b", "\x1b ", "\x9b0 ", "\u202e"], ids=ascii)
def test_hostile_text_costs_no_more_than_its_length(part: str) -> None:
    begin = time.process_time()
    assert clean(part * 200_000).strip() == ""
    assert time.process_time() - begin < 2
