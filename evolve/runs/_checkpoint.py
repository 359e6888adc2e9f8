"""Checkpoints: the search's state as JSON and npz, so that a long run reopens without replaying everything.

A checkpoint may be deleted at any time, and is ignored whenever anything about it does not fit: it names the record it was taken
after (with place and CRC) and a hash of the code whose state it is.  No pickle: only value classes of the modules named here are
rebuilt, field by field.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

import archive
from archive import Cells, GridArchive, Pooled, Position
from evolve.budget import _cpu_budget, _ledger, _usage
from evolve.budget._model_limits import caps_of
from evolve.confirm import _holdout
from evolve.problem import _contract
from evolve.search import _faults, _memory, _population, _tickets
from evolve.search._memory import BROKEN
from evolve.search._search import Search
from evolve.select import _bandit, _cmaes, _tuner
from evolve.select._novelty import RECENT

_MODULES = (
    archive,
    _contract,
    _faults,
    _cpu_budget,
    _ledger,
    _memory,
    _population,
    _usage,
    _tickets,
    _bandit,
    _cmaes,
    _tuner,
    _holdout,
)
_VALUES: dict[str, type] = {
    name: cls
    for module in _MODULES
    for name, cls in vars(module).items()
    if isinstance(cls, type) and (is_dataclass(cls) or issubclass(cls, Enum))
}
assert all(getattr(module, name, cls) is cls for name, cls in _VALUES.items() for module in _MODULES), "two classes of one name"
_PLAIN = {type(None), bool, int, float, str}
_FIELDS = {name: tuple(field.name for field in fields(cls)) for name, cls in _VALUES.items() if is_dataclass(cls)}
# What of each stateful object is state; the rest follows from the configuration.
_SEARCH = (
    "budget", "seed", "secret", "slots", "tier", "finals", "final_scores", "stopping", "failed",
    "retracted", "suspects", "requests", "incumbent", "tickets_of_round", "fruitless", "paused", "closed", "spend",
)  # fmt: skip
_PEOPLE = (
    "rows",
    "by_id",
    "by_hash",
    "frame",
    "ready",
    "warm_elites",
    "leader",
    "cold_best",
    "leader_at",
    "n_settled",
    "failures",
    "_judged_with",
)
_TICKETS = ("next_ticket", "epoch", "proposals", "blocks", "again", "batched", "gone", "outside")
_ACCOUNTS = (
    "offered", "refused", "poor", "failing", "resting", "rested", "heard", "found", "tickets", "lost", "unanswered", "since",
)  # fmt: skip
_MEMORY = (
    "told", "summaries", "ideas", "children", "reasons", "broken", "counts", "gains", "losses", "notes", "failures", "noted_at",
    "remarks",
)  # fmt: skip
_FAULTS = (
    "results", "errors", "recovered", "first", "incomplete", "lacking", "waiting", "out", "unjudged", "erred", "in_row", "alarm",
    "down_since", "looks", "look_at",
)  # fmt: skip
_TUNING = ("tuner", "ticket", "base", "opening", "spent", "seen", "in_flight", "twins")
_CONTEST = (
    "champion", "predecessor", "reference", "former", "champion_runs", "reference_runs", "alive", "qualified", "halves", "pairs",
)  # fmt: skip
_DOCKET = ("vaults", "base", "handed", "ended_by")
_REPEATS = ("by_row", "count")
_PANEL = ("members", "rounds", "began", "runs", "before")
_STATE = {
    "search": _SEARCH,
    "people": _PEOPLE,
    "tickets": _TICKETS,
    "tuning": _TUNING,
    "contest": _CONTEST,
    "docket": _DOCKET,
    "repeats": _REPEATS,
    "panel": _PANEL,
    "accounts": _ACCOUNTS,
    "memory": _MEMORY,
    "faults": _FAULTS,
    "steadiness": ("scores", "rejected", "broke", "told", "widest"),
    "novelty": ("kept", "recent"),
}
_STATEFUL = ("runs", "search", "budget", "select", "confirm", "config", "problem")  # rooms whose code says what the state means


@cache
def code_hash() -> str:
    """A hash of the code that decides what the state means, as it was when first asked: what is installed while a driver runs is
    not its code."""
    engine = Path(__file__).parents[1]
    digest = hashlib.blake2b(digest_size=8)
    for folder in (*(engine / room for room in _STATEFUL), Path(archive.__file__).parent):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def state_of(search: Search, arrays: list[np.ndarray]) -> dict[str, Any]:
    """The whole state as a JSON tree; its arrays are appended to ``arrays``.  Equal states give equal trees and arrays."""
    people = search.people
    return {
        **{part: {name: _encode(getattr(owner, name), arrays) for name in _STATE[part]} for part, owner in _owners(search).items()},
        "pooled": [_encode(pooled.dump(), arrays) for pooled in people.pooled],
        "space": [people.archive.space, _encode(getattr(people.archive, "axes", ()), arrays)],
        "cells": _encode(people.archive.cells.dump(), arrays),
        "bandit": search.bandit.dump(),
        "ledger": _encode(search.accounts.ledger.dump(), arrays),
    }


def put_state(search: Search, tree: dict[str, Any], arrays: list[np.ndarray]) -> None:
    """The inverse of ``state_of``, on a search that was built from the same configuration."""
    people = search.people
    for part, owner in _owners(search).items():
        for name in _STATE[part]:
            setattr(owner, name, _decode(tree[part][name], arrays))
    people.pooled = [Pooled.load(_decode(pooled, arrays)) for pooled in tree["pooled"]]
    space, axes = tree["space"]
    if isinstance(people.archive, GridArchive):
        people.archive = GridArchive(axes=_decode(axes, arrays), keep=people.archive.cells.keep, space=space)
    people.archive.cells = Cells.load(_decode(tree["cells"], arrays), keep=people.archive.cells.keep)
    search.bandit.load(tree["bandit"])
    search.accounts.ledger.load(_decode(tree["ledger"], arrays))
    search.accounts.ledger.caps = caps_of(search.budget)
    search.memory.broken = deque(search.memory.broken, maxlen=BROKEN)
    search.novelty.recent = deque(search.novelty.recent, maxlen=RECENT)


def _owners(search: Search) -> dict[str, object]:
    return {
        "search": search,
        "people": search.people,
        "tickets": search.tickets,
        "tuning": search.tuning,
        "contest": search.contest,
        "docket": search.docket,
        "repeats": search.repeats,
        "panel": search.panel,
        "accounts": search.accounts,
        "memory": search.memory,
        "faults": search.faults,
        "steadiness": search.steadiness,
        "novelty": search.novelty,
    }


def save(stem: Path, search: Search, places: dict[str, int], position: Position) -> None:
    """Write the state after the record at ``position``, which must be durable.  Appears whole or not at all."""
    arrays: list[np.ndarray] = []
    tree = {**state_of(search, arrays), "places": places, "position": _encode(position, arrays), "code": code_hash()}
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    text = json.dumps(tree, separators=(",", ":")).encode()
    tie = hashlib.blake2b(text + buffer.getvalue(), digest_size=8).hexdigest()
    for suffix, data in ((".npz", buffer.getvalue()), (".json", f'{{"tie":"{tie}","state":'.encode() + text + b"}")):
        part = stem.with_suffix(suffix + ".part")
        part.write_bytes(data)
        os.replace(part, stem.with_suffix(suffix))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A saved state: the record it was taken after, where the texts lie, and the state itself."""

    position: Position
    places: dict[str, int]
    tree: dict[str, Any]
    arrays: list[np.ndarray]

    def put(self, search: Search) -> None:
        """Put a fresh search, built from the same configuration, into this state."""
        put_state(search, self.tree, self.arrays)


def load(stem: Path) -> Checkpoint | None:
    """The checkpoint, or None where there is none that is whole and of this code."""
    try:
        head, _, text = stem.with_suffix(".json").read_bytes().partition(b',"state":')
        data, text = stem.with_suffix(".npz").read_bytes(), text[:-1]
    except FileNotFoundError:
        return None
    tie = hashlib.blake2b(text + data, digest_size=8).hexdigest()
    if head != f'{{"tie":"{tie}"'.encode():
        return None
    tree = json.loads(text)
    if tree["code"] != code_hash():
        return None
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        arrays = [stored[f"arr_{i}"] for i in range(len(stored.files))]
    return Checkpoint(_decode(tree["position"], arrays), tree["places"], tree, arrays)


# Many values of one class are kept as columns, one a field: a hundred thousand rows are then a few long lists of plain values.


def _encode(value: Any, arrays: list[np.ndarray]) -> Any:
    """One value as JSON: plain values as they are, everything else as a mapping with one letter that says what it is."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, Enum):
        return {"e": kind.__name__, "v": value.value}
    if kind.__name__ in _FIELDS:
        return {"c": kind.__name__, "f": [_encode(getattr(value, field), arrays) for field in _FIELDS[kind.__name__]]}
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"a": len(arrays) - 1}
    if isinstance(value, dict):
        return {"d": [_encode_all(value, arrays), _encode_all(value.values(), arrays)]}
    if isinstance(value, set):
        return {"s": sorted(value)}
    tag = "t" if isinstance(value, tuple) else "q" if isinstance(value, deque) else "l"
    return {tag: _encode_all(value, arrays)}


def _encode_all(values: Collection[Any], arrays: list[np.ndarray]) -> Any:
    """Many values: a list where all are plain, columns where all are of one class."""
    kinds = set(map(type, values))
    if kinds <= _PLAIN:
        return list(values)
    if type(None) in kinds:
        there = [int(value is not None) for value in values]
        return {"o": there, "v": _encode_all([value for value in values if value is not None], arrays)}
    kind = kinds.pop()
    if kinds or kind in (np.ndarray, set, deque):
        return {"x": [_encode(value, arrays) for value in values]}
    if kind in (tuple, list):
        tag = "t" if kind is tuple else "l"
        return {tag: [len(value) for value in values], "v": _encode_all(list(chain.from_iterable(values)), arrays)}
    if kind is dict:
        keys, items = (list(chain.from_iterable(part)) for part in (values, (value.values() for value in values)))
        return {"d": [len(value) for value in values], "k": _encode_all(keys, arrays), "v": _encode_all(items, arrays)}
    if issubclass(kind, Enum):
        return {"e": kind.__name__, "v": [value.value for value in values]}
    fields = _FIELDS[kind.__name__]
    return {"c": kind.__name__, "f": [_encode_all([getattr(value, field) for value in values], arrays) for field in fields]}


def _decode(value: Any, arrays: list[np.ndarray]) -> Any:
    if not isinstance(value, dict):
        return value
    if "c" in value:
        name = value["c"]
        return _VALUES[name](**{field: _decode(item, arrays) for field, item in zip(_FIELDS[name], value["f"], strict=True)})
    if "e" in value:
        return _VALUES[value["e"]](value["v"])
    if "a" in value:
        return arrays[value["a"]]
    if "d" in value:
        return dict(zip(*(_decode_all(part, arrays) for part in value["d"]), strict=True))
    if "s" in value:
        return set(value["s"])
    tag, items = next(iter(value.items()))
    return {"t": tuple, "l": list, "q": deque}[tag](_decode_all(items, arrays))


def _decode_all(values: Any, arrays: list[np.ndarray]) -> list[Any]:
    if isinstance(values, list):
        return values
    if "o" in values:
        present = iter(_decode_all(values["v"], arrays))
        return [next(present) if there else None for there in values["o"]]
    if "x" in values:
        return [_decode(value, arrays) for value in values["x"]]
    for tag, make_row in (("t", tuple), ("l", list)):
        if tag in values:
            items = iter(_decode_all(values["v"], arrays))
            return [make_row(islice(items, n)) for n in values[tag]]
    if "d" in values:
        pairs = zip(_decode_all(values["k"], arrays), _decode_all(values["v"], arrays), strict=True)
        return [dict(islice(pairs, n)) for n in values["d"]]
    if "e" in values:
        return list(map(_VALUES[values["e"]], values["v"]))
    make, columns = _VALUES[values["c"]], [_decode_all(column, arrays) for column in values["f"]]
    if not any(field.kw_only for field in fields(make)):
        return list(map(make, *columns))
    names = _FIELDS[values["c"]]
    return [make(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]
