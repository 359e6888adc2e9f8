"""The one mutator of all arms: files of a program and of others to files of a child.  It plays the language model.

It knows nothing of scores.  A part of its children are harmful by construction (a third each: does not parse, raises, answers a
constant); where other programs are shown it may take a line over from one; a planted fault in the parent is mended with some
probability.  Else it moves one number, line or expression.  Some habits have leaps too: good ideas that are worse at first, as a
term with a number that must be adapted.  Everything follows from the generator that it is given.
"""

from __future__ import annotations

import ast
import io
import random
import re
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from quality._programs import tree_of

Files = Mapping[str, str]

_STRAY, _RAISE = "]]", "_ = 1 // 0"
_OPERATORS = ("+", "-", "*", "/", "min", "max")


@dataclass(frozen=True, slots=True)
class Habits:
    """How a mutator behaves.

    Args:
        step: Standard deviation of a number's relative change.
        edits: Changes in one child, at most.
        harm: Share of children that are worse by construction.
        cross: Chance of taking something over, where another program is shown.
        mend: Chance of mending a planted fault of the parent.
        leaps: How often it leaps; a number's small change has 40.
    """

    step: float = 0.1
    edits: int = 1
    harm: float = 0.3
    cross: float = 0.2
    mend: float = 0.7
    leaps: int = 0


HABITS: Mapping[str, Habits] = {
    "small": Habits(),
    "large": Habits(step=0.4, edits=3),
    "careful": Habits(step=0.05, harm=0.1, cross=0.35),
    "hidden": Habits(step=0.3, edits=2, leaps=60),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of text that holds a number or an expression."""

    start: int
    end: int
    text: str
    node: ast.expr | None = None

    def put(self, text: str, new: str) -> str:
        """The text with something else here."""
        return text[: self.start] + new + text[self.end :]


def mutate(parent: Files, others: Sequence[Files], rng: random.Random, habits: Habits) -> Files:
    """A child; the parent itself where nothing could be changed."""
    planted = [path for path, text in parent.items() if _faults(text)]
    if planted and rng.random() < habits.mend:
        return {path: _mended(text) for path, text in parent.items()}
    path = rng.choice(sorted(parent))
    if rng.random() < habits.harm:
        return {**parent, path: _harmed(parent[path], rng)}
    crosses, which = rng.random() < habits.cross, rng.random()  # drawn whether or not others are shown, so that streams stay alike
    if others and crosses:
        child = _crossed(parent, others[int(which * len(others))], path, rng)
        if child != parent:
            return child
    child = dict(parent)
    for _ in range(rng.randint(1, habits.edits)):
        path = rng.choice(sorted(child))
        child[path] = _moved(child[path], rng, habits)
    return child


def _faults(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() in (_STRAY, _RAISE)]


def _mended(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if line.strip() not in (_STRAY, _RAISE))


def _harmed(text: str, rng: random.Random) -> str:
    kind = rng.choice(("stray", "raise", "constant"))
    found = _numbers(text) if kind == "constant" else []
    if found:
        one = rng.choice(found).text
        for place in reversed(found):
            text = place.put(text, one)
        return text
    return f"{text}{_STRAY if kind == 'stray' else _RAISE}\n"


def _crossed(parent: Files, other: Files, path: str, rng: random.Random) -> Files:
    """A line of another program in the place of the parent's; one of its numbers where they have not the same lines; of programs of
    several files one whole file."""
    if path not in other or other[path] == parent[path]:
        return parent
    if len(parent) > 1:
        return {**parent, path: other[path]}
    mine, theirs = parent[path].splitlines(keepends=True), other[path].splitlines(keepends=True)
    if len(mine) == len(theirs) > 3:
        row = rng.choice([i for i in range(len(mine)) if mine[i] != theirs[i]])
        return {**parent, path: "".join([*mine[:row], theirs[row], *mine[row + 1 :]])}
    pieces, places = _expressions(other[path]), _expressions(parent[path])
    if not pieces or not places:
        return parent
    return {**parent, path: rng.choice(places).put(parent[path], f"({rng.choice(pieces).text})")}


def _moved(text: str, rng: random.Random, habits: Habits) -> str:
    """The text with one move made; after twenty that were not to be made here, as it was."""
    names, weights = [*_MOVES], [*(weight for _, weight in _MOVES.values())]
    if habits.leaps:
        names, weights = [*names, "leap"], [*weights, habits.leaps]
    for _ in range(20):
        kind = rng.choices(names, weights)[0]
        new = (_leap if kind == "leap" else _MOVES[kind][0])(text, rng, habits)
        if new is not None and new != text:
            return new
    return text


# ------------------------------------------------------------------------------------------------ moves


def _jitter(text: str, rng: random.Random, habits: Habits) -> str | None:
    place = _one([place for place in _numbers(text) if not place.text.isdigit()], rng)
    return None if place is None else place.put(text, _say(float(place.text) * (1 + rng.gauss(0, habits.step))))


def _scale(text: str, rng: random.Random, habits: Habits) -> str | None:
    place = _one([place for place in _numbers(text) if not place.text.isdigit()], rng)
    return None if place is None else place.put(text, _say(float(place.text) * rng.choice((2.0, 0.5))))


def _step(text: str, rng: random.Random, habits: Habits) -> str | None:
    place = _one([place for place in _numbers(text) if place.text.isdigit()], rng)
    if place is None:
        return None
    new = int(place.text) + rng.choice((-1, 1))
    return place.put(text, str(new) if new >= 0 else "11")  # stays a literal: -1 and 11 are the same modulo 2, 3 and 4


def _swap(text: str, rng: random.Random, habits: Habits) -> str | None:
    lines = text.splitlines(keepends=True)
    rows = _rows(lines)
    if len(rows) < 2:
        return None
    i, j = rng.sample(rows, 2)
    lines[i], lines[j] = lines[j], lines[i]
    return "".join(lines)


def _operator(text: str, rng: random.Random, habits: Habits) -> str | None:
    place = _one([place for place in _expressions(text) if isinstance(place.node, ast.BinOp)], rng)
    if place is None or not isinstance(place.node, ast.BinOp):
        return None
    left, right = (ast.unparse(side) for side in (place.node.left, place.node.right))
    new = rng.choice(_OPERATORS)
    return place.put(text, f"{new}({left}, {right})" if new in ("min", "max") else f"(({left}) {new} ({right}))")


def _copy(text: str, rng: random.Random, habits: Habits) -> str | None:
    found = _expressions(text)
    if len(found) < 2 or len(text) > 4000:
        return None
    one, other = rng.sample(found, 2)
    inside = other.start <= one.start < other.end or one.start <= other.start < one.end
    return None if inside or len(one.text) > 200 else other.put(text, f"({one.text})")


def _wrap(text: str, rng: random.Random, habits: Habits) -> str | None:
    """A term, factor, bound or absolute value more; only in functions."""
    found = [] if "def " not in text else _expressions(text)
    place = _one(found, rng)
    if place is None or len(text) > 4000:
        return None
    other = rng.choice([*sorted(_arguments(text)), _say(rng.uniform(-2, 2))])
    how = rng.choice(("({0} + {1})", "({0} * {1})", "({0} - {1})", "min({0}, {1})", "max({0}, {1})", "abs({0})", "({0} / {1})"))
    return place.put(text, how.format(place.text, other))


def _cut(text: str, rng: random.Random, habits: Habits) -> str | None:
    """One side of an expression instead of both; only in functions."""
    found = [] if "def " not in text else _expressions(text)
    place = _one([place for place in found if isinstance(place.node, ast.BinOp)], rng)
    if place is None or not isinstance(place.node, ast.BinOp):
        return None
    return place.put(text, f"({ast.unparse(rng.choice((place.node.left, place.node.right)))})")


def _leap(text: str, rng: random.Random, habits: Habits) -> str | None:
    """A function gets a term with a coefficient out of the blue; a list another number, or some lines the other way round."""
    if "def " in text:
        return _term(text, rng)
    place = _one([place for place in _numbers(text) if not place.text.isdigit()], rng)
    if place is not None:
        return place.put(text, _say(rng.uniform(0, 2) * max(float(one.text) for one in _numbers(text))))
    return _turned(text, rng)


def _term(text: str, rng: random.Random) -> str | None:
    place = _one(_expressions(text), rng)
    if place is None or len(text) > 4000:
        return None
    piece = rng.choice([*sorted(_arguments(text)), place.text])
    shape = rng.choice(("{0}", "{0} * {0}", "abs({0})", "max({0}, {1})", "min({0}, {1})"))
    term = shape.format(f"({piece})", _say(rng.uniform(-2, 2)))
    return place.put(text, f"({place.text} + {_say(rng.uniform(-4, 4))} * {term})")


def _turned(text: str, rng: random.Random) -> str | None:
    lines = text.splitlines(keepends=True)
    rows = _rows(lines)
    if len(rows) < 4:
        return None
    first = rng.randrange(len(rows) - 2)
    last = min(first + rng.randint(2, 6), len(rows))
    turned = {rows[i]: lines[rows[first + last - 1 - i]] for i in range(first, last)}
    return "".join(turned.get(i, line) for i, line in enumerate(lines))


Move = Callable[[str, random.Random, Habits], str | None]
_MOVES: Mapping[str, tuple[Move, int]] = {
    "jitter": (_jitter, 40),
    "scale": (_scale, 10),
    "step": (_step, 15),
    "swap": (_swap, 10),
    "operator": (_operator, 15),
    "copy": (_copy, 10),
    "wrap": (_wrap, 20),
    "cut": (_cut, 10),
}


# ------------------------------------------------------------------------------------------------ reading


def _one(places: Sequence[Place], rng: random.Random) -> Place | None:
    return rng.choice(places) if places else None


def _say(value: float) -> str:
    return repr(round(value, 6)) if abs(value) < 1e12 else "1.0"


def _rows(lines: Sequence[str]) -> list[int]:
    """Which lines are items of a list."""
    return [i for i, line in enumerate(lines) if line.strip().endswith(",")]


def _lines(text: str) -> list[int]:
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


@lru_cache(maxsize=64)
def _numbers(text: str) -> list[Place]:
    """The numbers of a text, in order; by their looks where it does not parse."""
    starts, found = _lines(text), []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NUMBER:
                start = starts[token.start[0] - 1] + token.start[1]
                found.append(Place(start, start + len(token.string), token.string))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return [Place(one.start(), one.end(), one[0]) for one in re.finditer(r"(?<![\w.])\d+\.?\d*", text)]
    return found


@lru_cache(maxsize=64)
def _expressions(text: str) -> list[Place]:
    """Expressions below an assigned or returned value, in order, lists themselves not among them."""
    tree = tree_of(text)
    if tree is None:
        return []
    starts, found = _lines(text), []
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Assign | ast.Return) and statement.value is not None:
            for node in ast.walk(statement.value):
                if isinstance(node, ast.BinOp | ast.Call | ast.Name | ast.Constant | ast.Subscript) and node.end_lineno is not None:
                    start = starts[node.lineno - 1] + node.col_offset
                    end = starts[node.end_lineno - 1] + (node.end_col_offset or 0)
                    if not _is_function(node, text):
                        found.append(Place(start, end, text[start:end], node))
    return sorted(found, key=lambda place: (place.start, -place.end))


def _is_function(node: ast.expr, text: str) -> bool:
    """Whether it is the name of what is called, or of what is looked up in, which cannot be changed alone."""
    return isinstance(node, ast.Name) and (node.id in ("min", "max", "abs", "exp", "sqrt") or f"{node.id}[" in text)


def _arguments(text: str) -> set[str]:
    """Arguments of the functions of a text that are numbers."""
    tree = tree_of(text)
    if tree is None:
        return set()
    names = {one.arg for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for one in node.args.args}
    return {name if f"{name}[" not in text else f"{name}[0]" for name in names}
