"""Text that a candidate, a model or a server wrote, without what no reader sees and what steers the terminal that shows it.

The one list of such characters, whatever the text is for.  It is written out, as every version of Python has another table of them
and a record must not depend on it; a test holds the two together.  In it are: controls but for tab and line feed (they move
cursors), format characters and marks of direction (they turn a line around, or hide in a name), line and paragraph separators (a
second line where one was promised), surrogates and private use (no meaning that is agreed on), and what shows nothing by
definition: variation selectors, fillers, tags.  They can carry a hidden text past a reader and into a prompt.  U+FFFD stays: it
says that something there could not be read.

What differs from place to place is what else goes: a program is shown with the rest of its escape sequences (``visible``), as a
whole sequence may have code in it; a record and a prompt are without (``clean``); a record is without markup too, and each place
cuts to a length of its own.
"""

from __future__ import annotations

import re

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
_FORMATS = (
    r"\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SEPARATORS = r"\u2028\u2029"
_WITHOUT_MEANING = r"\ud800-\uf8ff\U000f0000-\U0010ffff"
_SHOW_NOTHING = r"\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\ufffe\uffff"
_UNSEEN = re.compile(f"[{_CONTROLS}{_FORMATS}{_SEPARATORS}{_WITHOUT_MEANING}{_SHOW_NOTHING}]")
# None goes beyond its line: one that never ends, or ends far below, would take with it what stands between.
_SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # operating system commands: titles, links
    r"|\x1b[PX^_][^\x1b\n]*(?:\x1b\\)?"  # device control strings
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor
    r"|\x1b[ -/]*[0-~]?"
)


def visible(text: str) -> str:
    """``text`` without the characters of the list.  Nothing that a reader could have seen goes: so are programs shown."""
    return _UNSEEN.sub("", text)


def clean(text: str) -> str:
    """``text`` without whole escape sequences and the characters of the list, every end of a line a line feed."""
    return visible(_SEQUENCES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
