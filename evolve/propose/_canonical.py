"""Which programs are the same program: a hash that ordinary comments and layout do not change, and ``analyse``.

It errs on the side of measuring again.  Docstrings count (programs read ``__doc__``), and so do comments that tools read:
directives (``# type:``, ``# cython:``, pragmas, a shebang, an encoding) and those that the problem names.  Where a program may read
its own sources or their line numbers, every byte counts.

Python sources are cut into tokens by one regular expression, which costs a quarter of building and walking a syntax tree.  Only
f-strings with quotes inside their braces need the tree: since Python 3.12 they may hold any token, so they are hashed verbatim.
Of other languages and of texts every byte counts, but for line ends and space at the end of lines.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from evolve.problem._source import MARK
from evolve.propose._descriptors import static_descriptors
from evolve.propose._operator import EditScope
from evolve.propose._python import Edit, Parsed, apply_edits, is_python, parse
from evolve.propose._scope import is_editable

# Possessive quantifiers (new in Python 3.11) keep it linear on hostile texts: nothing is tried twice.  Frequent tokens stand first.
_TOKEN = re.compile(
    r"""
    (?:[ \t\f]|\\(?:\r\n|\r|\n))++                                       # spacing and continued lines: not a token
    | ( [^\W\d]\w*+(?!["'])                                              # a name
      | [()\[\]{},;]
      | (?:[ \t\f]*+(?:\#[^\r\n]*+)?+(?:\r\n|\r|\n))++[ \t\f]*+          # a line end, with the blank lines and comments after it
      | (?:[bBfFrRtT][bBfFrRtT]|[bBfFrRtTuU])?+                          # a string
        (?: \"{3}(?:[^\\"]++|\\.|"(?!""))*+\"{3}
          | '{3}(?:[^\\']++|\\.|'(?!''))*+'{3}
          | "(?!"")(?:[^\\"\r\n]++|\\(?:\r\n|.))*+"
          | '(?!'')(?:[^\\'\r\n]++|\\(?:\r\n|.))*+'
        )
      | 0[xX][\da-fA-F_]++ | 0[bB][01_]++ | 0[oO][0-7_]++
      | (?:\d[\d_]*+\.?+[\d_]*+|\.\d[\d_]*+)(?:[eE][+-]?+\d[\d_]*+)?+[jJ]?+
      | \*\*=?+ | //=?+ | >>=?+ | <<=?+ | -> | := | != | \.\.\. | [-+*/%@&|^=<>]=?+
      | (?:\"{3}|'{3}).*+ | ["'][^\r\n]*+                                # a string without an end: cut at once, or it costs n^2
      | (?!\#) .
      )
    | \#[^\r\n]*+\Z                                                      # a comment at the very end: not a token
    """,
    re.VERBOSE | re.DOTALL,
)
_MAY_HOLD_F_STRINGS = re.compile(r"""[fFtT][rR]?+["']""")
_F_PREFIX = re.compile(r"""(?:[fFtT][rR]?+|[rR][fFtT])["']""")
_COMMENT = re.compile(r"(\A|[\r\n])[ \t\f]*+\#([^\r\n]*+)")
# What a comment begins with that somebody reads: a shebang or mark, ``word:``, a pragma without a colon, PEP 263's declaration.
_DIRECTIVE = re.compile(
    r"[!$@%]|[ \t]*+(?:-\*-|[^\W\d][\w.-]*+[ \t]*+:|(?:pragma|omp|acc|pythran|transonic|pyccel)\b)|.*coding[:=]", re.IGNORECASE
)
# By which a program reads its sources, or the numbers of their lines.
_READS_ITSELF = (
    "__file__", "__loader__", "getsource", "getcomments", "linecache",
    "f_lineno", "tb_lineno", "co_firstlineno", "co_lines", "co_positions", "format_stack", "format_exc",
)  # fmt: skip
_QUOTES = ('"', "'")
_SPECIAL = frozenset("([{}])\n\r# \t\f")
_INDENT, _DEDENT, _SEPARATOR = "\x01", "\x02", "\x00"
_LAYOUT = frozenset(("\n", _INDENT, _DEDENT))


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is known of a candidate without running it.

    ``code_hash`` is ``canonical_hash`` of all files; ``descriptors`` come from the editable Python files that parse.
    """

    code_hash: str
    descriptors: Mapping[str, float]


def analyse(files: Mapping[str, str], scope: EditScope) -> Analysis:
    """Hash and descriptors of a candidate, each file parsed once.

    Deterministic, thread-safe, and safe on hostile sources: raises nothing that a text can cause.
    """
    editable = (parse(files[path]).tree for path in sorted(files) if is_python(path) and is_editable(path, scope))
    trees = [tree for tree in editable if tree is not None]
    return Analysis(canonical_hash(files, scope.comments), static_descriptors(trees))


def canonical_hash(files: Mapping[str, str], comments: tuple[str, ...] = ()) -> str:
    """Hash over all files, 32 hexadecimal digits: equal when they differ only in comments that nobody reads, and in layout.

    Strings and numbers are compared as they are written.  Equal across machines and Python versions.  Deterministic, thread-safe;
    raises nothing that a text can cause.

    Args:
        files: path to text.
        comments: what further comments begin with that count, the ``#`` and space after it left out; "" makes all count.
    """
    whole = blake2b(digest_size=16)
    to_the_byte = any(word in text for path, text in files.items() if is_python(path) for word in _READS_ITSELF)
    for path in sorted(files):
        cut = is_python(path) and not to_the_byte
        digest = _python_digest(files[path], comments) if cut else _digest(_without_line_ends(files[path]))
        whole.update(_bytes(path) + b"\0" + digest)
    return whole.hexdigest()


@lru_cache(maxsize=16)
def _python_digest(text: str, comments: tuple[str, ...]) -> bytes:
    """Hash of one source.  The last 16 are remembered: of many files a child usually changes one."""
    text = text.removeprefix(MARK).rstrip(" \t\f\r\n") + "\n"
    tokens = _TOKEN.findall(text)
    verbatim = ""
    if _MAY_HOLD_F_STRINGS.search(text) and any(_holds_quotes(token) for token in tokens if _is_f_string(token)):
        parsed = parse(text)
        if parsed.tree is None:
            return _digest(text)
        verbatim, masked = _mask_f_strings(parsed)
        tokens = _TOKEN.findall(masked)
    return _digest(_SEPARATOR.join([*_canonical(tokens, comments), verbatim]))


def _without_line_ends(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip(" \t") for line in lines).rstrip("\n")


def _digest(text: str) -> bytes:
    return blake2b(_bytes(text), digest_size=16).digest()


def _canonical(tokens: list[str], comments: tuple[str, ...]) -> list[str]:
    """The tokens that matter, indentation as steps in and out."""
    out: list[str] = []
    levels = [0]
    widths: dict[str, int] = {}  # most line ends of a source are a few texts
    depth = 0
    for token in tokens:
        if not token:
            continue
        first = token[0]
        if first not in _SPECIAL:
            out.append(token)
        elif first in "([{":
            out.append(token)
            depth += 1
        elif first in ")]}":
            out.append(token)
            depth -= 1
        else:
            if "#" in token:
                out += _comments_that_count(token, comments)
            if depth <= 0:
                if out and out[-1] not in _LAYOUT:
                    out.append("\n")
                depth = 0
                width = widths[token] if token in widths else widths.setdefault(token, _width(token))
                if width != levels[-1]:
                    _indent(width, levels, out)
    return out


def _comments_that_count(token: str, comments: tuple[str, ...]) -> list[str]:
    """Those of a line end that somebody reads, each with whether it stands behind code or on a line of its own."""
    found = []
    for before, text in _COMMENT.findall(token):
        stripped = text.strip()
        if _DIRECTIVE.match(text) or any(stripped.startswith(start) for start in comments):
            found.append(f"{'' if before else '+'}#{stripped}")
    return found


def _width(token: str) -> int:
    """How far the line that follows this line end is indented."""
    return len(token[max(token.rfind("\n"), token.rfind("\r"), token.rfind("\f")) + 1 :].expandtabs(8))  # \f: column 0 again


def _indent(width: int, levels: list[int], out: list[str]) -> None:
    """Steps from the level of the last line to another one."""
    if width > levels[-1]:
        levels.append(width)
        out.append(_INDENT)
        return
    while width < levels[-1]:
        levels.pop()
        out.append(_DEDENT)
    if width != levels[-1]:  # an indentation error in Python
        levels.append(width)
        out.append(_INDENT)


def _is_f_string(token: str) -> bool:
    return token[-1:] in _QUOTES and _F_PREFIX.match(token) is not None


def _holds_quotes(token: str) -> bool:
    """Whether an f-string, as the regular expression cut it, has a quote inside braces or ends inside them."""
    start = token.index('"') if '"' in token[:3] else token.index("'")
    width = 3 if token[start : start + 3] in ('"""', "'''") and len(token) >= start + 6 else 1
    body = token[start + width : -width]
    depth = i = 0
    while i < len(body):
        char = body[i]
        if depth == 0 and body[i : i + 2] in ("{{", "}}"):
            i += 1
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
        elif depth and char in "\"'":
            return True
        i += 1
    return depth != 0


def _mask_f_strings(parsed: Parsed) -> tuple[str, str]:
    """The outermost f-strings verbatim, joined, and the text with a placeholder for each."""
    assert parsed.tree is not None
    spans = sorted(
        parsed.span(node)
        for node in ast.walk(parsed.tree)
        if isinstance(node, ast.expr) and type(node).__name__ in ("JoinedStr", "TemplateStr")
    )
    outer: list[tuple[int, int]] = []
    for start, end in spans:
        if not outer or start >= outer[-1][1]:
            outer.append((start, end))
    verbatim = _SEPARATOR.join(parsed.text[start:end] for start, end in outer)
    return verbatim, apply_edits(parsed.text, [Edit(start, end, " f_string ") for start, end in outer])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
