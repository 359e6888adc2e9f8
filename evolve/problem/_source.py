"""A Python source as Python takes it: the one text that is screened, shown, hashed, parsed and run.

Python skips a byte order mark, ends lines at ``\\n``, ``\\r\\n`` and ``\\r`` (at nothing else: a form feed or U+2028 does not end
one), and reads a file in the encoding that a comment in its first two lines declares.  Whoever looks at a source without running
it goes through here, so that what is seen is what runs.

Everything is linear in the text, on any text.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast

MARK = "\ufeff"  # as editors on some systems put at the start of a file
MAX_PARSE_CHARS = 1 << 20  # of one text: the worst million takes seconds and 400 MB
MAX_BRACKETS = 80  # CPython's own limit is 200; a nested bracket costs its parser some twenty C frames
MAX_INDENT = 80  # CPython's own limit is 100 levels
MAX_NEST = 500  # operators, calls, attributes and the like that may nest within one statement
MAX_BRANCHES = 400  # an elif nests in the tree: one level each
MAX_DOTS = 100  # of one dotted name: ``import a.a.a`` costs the parser memory that grows with the square of its parts

_LINE_END = re.compile(r"\r\n|\r|\n")
_CODING = re.compile(r"[ \t\f]*+#.*?coding[:=][ \t]*+([-\w.]++)", re.ASCII)
_DOTTED = re.compile(r"(?:\.(?:[ \t\f]|\\(?:\r\n|\r|\n))*+\w++(?:[ \t\f]|\\(?:\r\n|\r|\n))*+)++")

# An unclosed string runs to the end of the line or text, and quantifiers are possessive: the scan stays linear on any text.
_TOKEN = re.compile(
    r"""
      (?P<skip>\#[^\n]*+)
    | (?P<format>(?:[rR]?[fFtT]|[fFtT][rR])(?P<quote>\"{3}|'{3}|"|')(?P<body>(?:[^\\]|\\.)*?)(?:(?P=quote)|\\?\Z))
    | (?P<text>\"{3}(?:[^\\]|\\.)*?(?:\"{3}|\\?\Z)|'{3}(?:[^\\]|\\.)*?(?:'{3}|\\?\Z)|"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?)
    | (?P<line>\n[ \t\f]*+)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<cut>[,;])
    | (?P<branch>\belif\b)
    | (?P<chain>\b(?:not|await|lambda|if|else|yield|and|or|in|is)\b|\*\*|//|[-+*/%@&|^~<>=!.:])
    """,
    re.VERBOSE | re.DOTALL,
)


def python_text(text: str) -> str:
    """The characters that Python's tokenizer sees: without a byte order mark, every line end a ``\\n``."""
    text = text.removeprefix(MARK)
    return _LINE_END.sub("\n", text) if "\r" in text else text


def other_encoding(text: str) -> str:
    """A source encoding other than UTF-8 that the first two lines declare (PEP 263), or "": Python would run another text than
    everybody else reads.  As its tokenizer does, ``utf-8-unix`` and whatever else begins with ``utf-8-`` is taken for UTF-8."""
    for line in _first_lines(text.removeprefix(MARK)):
        found = _CODING.match(line)
        name = found[1].lower().replace("_", "-") if found else "utf-8"
        if found and name not in ("utf-8", "utf8", "ascii", "us-ascii") and not name.startswith("utf-8-"):
            return found[1]
    return ""


def _first_lines(text: str) -> list[str]:
    """The first two lines, however long they are."""
    ends = [match.span() for match in islice(_LINE_END.finditer(text), 2)]
    starts = [0, *(end for _, end in ends)][:2]
    return [text[start:end] for start, end in zip(starts, [start for start, _ in ends] + [len(text)], strict=False)]


def lines_that_stay_first(body: list[ast.stmt]) -> int:
    """How many lines the docstring and imports from the future of a module take, which must stay first."""
    import ast

    line = 0
    for at, node in enumerate(body):
        docstring = at == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not docstring and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        line = node.end_lineno or 0
    return line


def why_not_parsed(text: str) -> str:
    """Why a text is not given to Python's parser in a process whose memory is not bounded; "" where it may be."""
    if len(text) > MAX_PARSE_CHARS:
        return f"more than {MAX_PARSE_CHARS} characters"
    if text.count(".") > MAX_DOTS and any(match.group().count(".") > MAX_DOTS for match in _DOTTED.finditer(text)):
        return f"a dotted name of more than {MAX_DOTS} parts"
    return ""


def parses_safely(text: str) -> bool:
    """Whether the text nests little enough to be parsed in a process that must not die.

    A scan by regular expression, linear in the text.  It may refuse what Python would parse; the sandbox decides then.
    """
    return not why_not_parsed(text) and _nests_little(python_text(text))


def _nests_little(text: str) -> bool:
    nest = branches = 0
    outer: list[int] = []  # the nesting around each open bracket
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "chain":
            nest += 1
        elif kind == "open":
            outer.append(nest)
            nest += 1
        elif kind == "close":
            nest = outer.pop() + 1 if outer else 0
        elif kind == "cut" or (kind == "line" and not outer):
            nest = outer[-1] + 1 if outer else 0
        elif kind == "branch":
            branches += 1
        elif kind == "format" and not _nests_little(token["body"]):
            return False
        if kind == "line" and len(token.group()) - 1 > MAX_INDENT:  # at most one level a character
            return False
        if len(outer) > MAX_BRACKETS or nest > MAX_NEST or branches > MAX_BRANCHES:
            return False
    return True
