"""The typed moves: each draws one place and says which spans of the text to replace, and what that does in words.

A move returns None when its draw leads nowhere; whether the child parses and differs is checked by the operator that asked.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from evolve.propose._python import Edit
from evolve.propose.mutate._bounds import within
from evolve.propose.mutate._literals import short_name, unit_of, write
from evolve.propose.mutate._numbers import LiteralSite
from evolve.propose.mutate._sites import Statement, Targets, comma_span
from evolve.propose.mutate._substitutions import ARITHMETIC, COMPARISONS, names_like, strings_like

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

T = TypeVar("T")

_FACTORS = (2.0, 0.5, 1.5, 2 / 3, 10.0, 0.1)
_FACTOR_WEIGHTS = (0.25, 0.25, 0.2, 0.2, 0.05, 0.05)
_ATOMS = (ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.JoinedStr)


@dataclass(frozen=True, slots=True)
class Mutation:
    """Replacements in one text, what they do in words, and the line they are on."""

    edits: tuple[Edit, ...]
    text: str
    line: int


def literal(sites: Targets, rng: np.random.Generator) -> Mutation | None:
    """Scale a number (a share: its distance to 1), move an integer by one, or shift a member of a list by a part of its spread."""
    item = _pick(sites.literals, rng)
    members = [other.value for other in sites.literals if other.group == item.group]
    if len(members) >= 3:
        size = (max(members) - min(members) or abs(item.value) or 1.0) * 10 ** -rng.uniform(0.5, 2.5)
        value = float(f"{item.value + size * rng.standard_normal():.6g}")
        return _set_literal(sites, item, value, is_int=item.is_int and all(float(member).is_integer() for member in members))
    if item.value == 0 and not item.is_int:  # no factor moves it
        size = unit_of([other.value for other in sites.literals if not other.is_int]) * 10 ** -rng.uniform(0, 2)
        return _set_literal(sites, item, float(f"{size * rng.standard_normal():.6g}"), is_int=False)
    if item.is_int and (item.value == 0 or rng.random() < 0.5):
        return _set_literal(sites, item, item.value + (1 if rng.random() < 0.5 else -1), is_int=True)
    factor = _FACTORS[int(rng.choice(len(_FACTORS), p=_FACTOR_WEIGHTS))]
    value = item.value * factor
    if 0.5 < item.value < 1 and (1 - item.value) * factor < 1:  # a share, a momentum, a decay: what matters is the distance to 1
        value = 1 - (1 - item.value) * factor
    return _set_literal(sites, item, float(f"{value:.6g}"), is_int=item.is_int)


def copied_literal(sites: Targets, rng: np.random.Generator) -> Mutation | None:
    """Replace a number with another number of the same file and type."""
    item = _pick(sites.literals, rng)
    others = [other for other in sites.literals if other.is_int == item.is_int and other.value != item.value]
    return _set_literal(sites, item, _pick(others, rng).value, is_int=item.is_int) if others else None


def comparison(sites: Targets, rng: np.random.Generator) -> Mutation | None:
    node = _pick(sites.comparisons, rng)
    i = int(rng.integers(len(node.ops)))
    sign, others = COMPARISONS.get(type(node.ops[i]), ("", ()))
    left = node.left if i == 0 else node.comparators[i - 1]
    return _swap_sign(sites, left, node.comparators[i], sign, _pick(others, rng)) if others else None


def arithmetic(sites: Targets, rng: np.random.Generator) -> Mutation | None:
    node = _pick(sites.arithmetic, rng)
    sign, others = ARITHMETIC[type(node.op)]
    return _swap_sign(sites, node.left, node.right, sign, _pick(others, rng))


def substitution(sites: Targets, rng: np.random.Generator) -> Mutation | None:
    """Another name, or another well-known string, of the same row."""
    i = int(rng.integers(len(sites.names) + len(sites.strings)))
    if i < len(sites.names):
        node = sites.names[i]
        old = node.id if isinstance(node, ast.Name) else node.attr
        new = _pick(names_like(old, bare=isinstance(node, ast.Name), bound=sites.bound), rng)
        end = sites.parsed.span(node)[1]
        return _checked(sites, end - len(old), end, old, new)
    constant = sites.strings[i - len(sites.names)]
    old = str(constant.value)
    start, end = sites.parsed.span(constant)
    return _checked(sites, start + 1, end - 1, old, _pick(strings_like(old), rng))


def boolean(sites: Targets, rng: np.random.Generator) -> Mutation | None:
    node = _pick(sites.booleans, rng)
    return _checked(sites, *sites.parsed.span(node), str(node.value), str(not node.value))


def loop_bound(sites: Targets, rng: np.random.Generator) -> Mutation | None:
    node = _pick(sites.bounds, rng)
    start, end = sites.parsed.span(node)
    old = sites.parsed.text[start:end]
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        drawn = _pick((node.value * 2, node.value // 2, node.value + 1, max(0, node.value - 1)), rng)
        kept = within(sites.parsed.text, end, drawn, is_int=True)
        if kept is None or kept == node.value:
            return None
        new = str(round(kept))
    else:
        new = _pick(("2 * ({})", "({}) // 2", "({}) + 1", "({}) - 1"), rng).format(old)
    return _move(sites, [Edit(start, end, new)], f"loop bound {_brief(old)} -> {_brief(new)}", start)


def dropped_keyword(sites: Targets, rng: np.random.Generator) -> Mutation | None:
    call, i = _pick(sites.keywords, rng)
    own = sites.parsed.span(call.keywords[i])
    span = comma_span(sites.parsed, call, own)
    if span is None:
        return None
    return _move(sites, [Edit(*span, "")], f"dropped {_brief(sites.parsed.text[slice(*own)])}", own[0])


def dropped_term(sites: Targets, rng: np.random.Generator) -> Mutation | None:
    """A sum, difference, product or quotient without one of its two sides."""
    node = _pick(sites.arithmetic, rng)
    if isinstance(node.op, ast.Pow | ast.Mod | ast.FloorDiv):
        return None
    keep = node.left if isinstance(node.op, ast.Sub | ast.Div) or rng.random() < 0.5 else node.right
    drop = node.right if keep is node.left else node.left
    text = sites.parsed.text
    start, end = sites.parsed.span(node)
    kept, dropped = text[slice(*sites.parsed.span(keep))], text[slice(*sites.parsed.span(drop))]
    new = kept if isinstance(keep, _ATOMS) else f"({kept})"
    return _move(sites, [Edit(start, end, new)], f"dropped the term {_brief(dropped)}", start)


def deleted_statement(sites: Targets, rng: np.random.Generator) -> Mutation | None:
    statement = _pick(sites.statements, rng)
    text = sites.parsed.text[statement.start : statement.end]
    indent = text[: len(text) - len(text.lstrip(" \t"))]
    end = text[len(text.rstrip("\r\n")) :]
    new = f"{indent}pass{end}" if statement.alone else ""
    return _move(sites, [Edit(statement.start, statement.end, new)], f"deleted {_brief(text)}", statement.start)


def swapped_statements(sites: Targets, rng: np.random.Generator) -> Mutation | None:
    first, second = _pick(sites.neighbours, rng)
    a, b = _lines(sites, first), _lines(sites, second)
    if not b.endswith(("\n", "\r")):  # the last line of a file without a line end
        return None
    edits = [Edit(first.start, first.end, b), Edit(second.start, second.end, a)]
    return _move(sites, edits, f"swapped {_brief(a)} and {_brief(b)}", first.start)


def duplicated_statement(sites: Targets, rng: np.random.Generator) -> Mutation | None:
    statement = _pick(sites.statements, rng)
    text = _lines(sites, statement)
    if not text.endswith(("\n", "\r")) or not _repeats(statement.node):
        return None
    return _move(sites, [Edit(statement.end, statement.end, text)], f"repeated {_brief(text)}", statement.start)


Kind = tuple[float, Callable[[Targets], int], Callable[[Targets, "np.random.Generator"], "Mutation | None"]]
MUTATIONS: tuple[Kind, ...] = (  # weight, number of places, move
    (6.0, lambda sites: len(sites.literals), literal),
    (1.0, lambda sites: len(sites.literals) if len(sites.literals) > 1 else 0, copied_literal),
    (1.0, lambda sites: len(sites.comparisons), comparison),
    (1.5, lambda sites: len(sites.arithmetic), arithmetic),
    (2.0, lambda sites: len(sites.names) + len(sites.strings), substitution),
    (1.0, lambda sites: len(sites.booleans), boolean),
    (1.0, lambda sites: len(sites.bounds), loop_bound),
    (1.0, lambda sites: len(sites.keywords), dropped_keyword),
    (1.5, lambda sites: len(sites.arithmetic), dropped_term),
    (1.5, lambda sites: len(sites.statements), deleted_statement),
    (1.0, lambda sites: len(sites.neighbours), swapped_statements),
    (0.7, lambda sites: len(sites.statements), duplicated_statement),
)


def _pick(items: Sequence[T], rng: np.random.Generator) -> T:
    return items[int(rng.integers(len(items)))]


def _move(sites: Targets, edits: Sequence[Edit], text: str, at: int) -> Mutation:
    return Mutation(tuple(edits), text, sites.line_of(at))


def _set_literal(sites: Targets, item: LiteralSite, value: float, *, is_int: bool) -> Mutation | None:
    kept = within(sites.parsed.text, item.end, value, is_int=is_int)
    if kept is None:
        return None
    value = kept
    edit = write(sites.parsed.text, item, value, is_int=is_int)
    old = sites.parsed.text[item.start : item.end]
    if (round(value) if is_int else value) == item.value:
        return None
    return _move(sites, [edit], f"{short_name(item.path)} {old} -> {edit.text}", item.start)


def _swap_sign(sites: Targets, left: ast.expr, right: ast.expr, old: str, new: str) -> Mutation | None:
    start, end = sites.parsed.span(left)[1], sites.parsed.span(right)[0]
    gap = sites.parsed.text[start:end]
    if "#" in gap or gap.strip(" \t\r\n\\()") != old:
        return None
    at = start + gap.index(old)
    line = sites.parsed.text[sites.parsed.span(left)[0] : sites.parsed.span(right)[1]]
    return _move(sites, [Edit(at, at + len(old), new)], f"{old} -> {new} in {_brief(line)}", at)


def _checked(sites: Targets, start: int, end: int, old: str, new: str) -> Mutation | None:
    """A replacement, provided that the text there is what the tree says."""
    if sites.parsed.text[start:end] != old:
        return None
    return _move(sites, [Edit(start, end, new)], f"{old} -> {new}", start)


def _lines(sites: Targets, statement: Statement) -> str:
    return sites.parsed.text[statement.start : statement.end]


def _repeats(node: ast.stmt) -> bool:
    """Whether doing it twice differs from doing it once, as far as names tell."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        names = {child.id for child in ast.walk(node) if isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Load)}
        return any(
            isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load) and child.id in names for child in ast.walk(node)
        )
    return isinstance(node, ast.AugAssign | ast.For | ast.While | ast.If) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    )


def _brief(text: str) -> str:
    """One line of at most 48 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 48 else line[:45] + "..."
