"""Small pieces of prompts: what untrusted text must lose, the marks around it, fences, diffs, numbers, and how long it all is."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections.abc import Iterable, Mapping

from archive import Curve
from evolve import _untrusted
from evolve.propose._operator import Files

CURVE_POINTS = 12
DIFF_CONTEXT = 1  # lines; the parent stands whole beside the diff
MAX_DIFF_LINES = 4000  # of both versions of a file; difflib is slow on more, hostile ones above all
MAX_VALUES = 24
FEW = 3  # lines of each side of a change that is shown as it is

_TICKS = re.compile("`+")


# --------------------------------------------------------------------------------------------------- length


def n_bytes(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode("utf-8", "replace"))


def n_tokens(size: int) -> int:
    """Tokens that ``size`` bytes of UTF-8 may be, on the high side: one for two bytes.

    Counted with the vocabulary o200k_base: 2.1 bytes a token in tables of digits, 2.7 in a short program full of numbers, 3.4 in
    a training script, 3.5 in a whole prompt, 4 in a statement.  Other vocabularies need more tokens, hence the margin.  Only
    prompts are sized with it: what a call may cost is reserved by the bytes.
    """
    return -(-size // 2)


def encodable(text: str) -> str:
    """``text`` as UTF-8 can hold it: lone surrogates become question marks, all else stays as it is."""
    return text.encode("utf-8", "replace").decode()


# --------------------------------------------------------------------------------------------------- untrusted text


def clean(text: str, limit: int) -> str:
    """At most ``limit`` characters of a text of any origin, without escape sequences and what no reader sees."""
    kept = _untrusted.clean(text[: 2 * limit]).strip()
    return kept if len(kept) <= limit and len(text) <= 2 * limit else kept[: limit - 3] + "..."


def one_line(text: str, limit: int) -> str:
    """``clean``, on one line."""
    return " ".join(clean(text, limit).split())


def mark_for(texts: Iterable[str]) -> str:
    """A mark that stands in none of the texts, and that nobody could have written into one: it is a hash of them all."""
    everything = "\0".join(texts)
    salt = 0
    while True:
        digest = hashlib.blake2b(f"{salt}\0{everything}".encode("utf-8", "replace"), digest_size=12).hexdigest()
        mark = f"DATA-{digest}"
        if mark not in everything:
            return mark
        salt += 1


# --------------------------------------------------------------------------------------------------- code


def fenced(text: str, info: str = "") -> str:
    """``text``, as it is, in a fence longer than any run of backticks in it.  A missing line feed at its end is added."""
    longest = max((len(found) for found in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{info}\n{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{fence}"


def show_files(files: Files, leave: Files | None = None) -> str:
    """Files whole, by name, each under a line that names it; those that ``leave`` has alike are only named."""
    parts = []
    for path, text in sorted(files.items()):
        name = f"file: {one_line(path, 200)}"
        if leave is not None and leave.get(path) == text:
            parts.append(f"{name} is the same.")
        else:
            parts.append(f"{name}\n{fenced(text, 'python' if path.endswith('.py') else '')}")
    return "\n\n".join(parts)


def changes(base: Files, other: Files) -> str | None:
    """A unified diff from ``base`` to ``other`` over all files; "" where they are equal, None where too long to compare."""
    lines: list[str] = []
    for path in sorted({*base, *other}):
        before, after = base.get(path, ""), other.get(path, "")
        if before == after:
            continue
        old, new = before.split("\n"), after.split("\n")
        if len(old) + len(new) > MAX_DIFF_LINES:
            return None
        name = one_line(path, 200)
        lines += difflib.unified_diff(
            old, new, name if path in base else "(none)", name if path in other else "(none)", lineterm="", n=DIFF_CONTEXT
        )
    return "\n".join(lines)


def few_lines(base: Files, other: Files) -> tuple[str, ...]:
    """The lines that differ between two programs, with the sign of a diff before each; () where they are more than 3 of either, or
    whole files."""
    lines: list[str] = []
    if base.keys() != other.keys():
        return ()
    for path in sorted(base):
        old, new = base[path].split("\n"), other[path].split("\n")
        if base[path] == other[path]:
            continue
        if len(old) + len(new) > MAX_DIFF_LINES or abs(len(old) - len(new)) > FEW:
            return ()
        found = list(difflib.unified_diff(old, new, lineterm="", n=0))[2:]
        lines += [line for line in found if not line.startswith("@@")]
    if any(sum(line[:1] == sign for line in lines) > FEW for sign in "-+"):
        return ()
    return tuple(lines)


# --------------------------------------------------------------------------------------------------- numbers


def number(value: float, sd: float = 0.0, sign: str = "") -> str:
    """A value with as many digits as its standard deviation supports; with 10 where there is none, and 3 where it is not known yet
    (not a number).  ``sign`` may be "+"."""
    if math.isnan(sd):
        return f"{value:{sign}.3g} (spread not known yet)"
    if not (math.isfinite(sd) and sd > 0 and math.isfinite(value) and abs(value) < 1e15):
        return f"{value:{sign}.10g}"
    places = min(12, max(0, 1 - math.floor(math.log10(sd))))
    return f"{value:{sign}.{places}f} ± {sd:.2g}"


def effect(value: float, sd: float, maximize: bool) -> str:
    """A difference of scores in words.  Less than two standard deviations is no clear difference."""
    if math.isnan(sd):
        return number(value, sd, "+")
    if not abs(value) > 2 * sd:
        said = "no clear difference" if sd > 0 else "no difference"
    else:
        said = "better" if (value > 0) is maximize else "worse"
    return f"{number(value, sd, '+')} ({said})"


def values(named: Mapping[str, float]) -> str:
    """``a = 1, b = 2``, the first 24 in their order."""
    return ", ".join(f"{one_line(name, 60)} = {value:.6g}" for name, value in list(named.items())[:MAX_VALUES])


def curve_line(curve: Curve | None) -> str:
    """A learning curve in at most 12 points, evenly taken, its ends among them; "" without points that are numbers."""
    if curve is None:
        return ""
    points = [(x, y) for x, y in zip(curve.x, curve.y, strict=False) if math.isfinite(x) and math.isfinite(y)]
    if not points:
        return ""
    last = len(points) - 1
    taken = sorted({round(i * last / (CURVE_POINTS - 1)) for i in range(CURVE_POINTS)}) if last else [0]
    shown = ", ".join(f"{points[i][0]:.4g}: {points[i][1]:.5g}" for i in taken)
    return f"{one_line(curve.y_name, 40) or 'y'} by {one_line(curve.x_name, 40) or 'x'}: {shown}"
