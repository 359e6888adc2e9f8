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
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

import numpy as np

import archive
from archive import Archive, PooledPosterior, Position
from evolve.budget import _cpu_budget, _ledger, _usage
from evolve.budget._ledger import Ledger
from evolve.budget._model_limits import ModelLimits, caps_of
from evolve.confirm import ChampionTest, Confirmations, Panel, Repeats, _holdout
from evolve.problem.contract import _contract
from evolve.search._search import Search
from evolve.search.state import (
    _candidates,
    _costs,
    _faults,
    _fingerprints,
    _memory,
    _population,
    _shares,
    _state,
    _tickets,
    _tuner_course,
    _turns,
)
from evolve.search.state._changes import KnownChanges
from evolve.search.state._climbs import Climbs
from evolve.search.state._computed import ComputedDescriptors
from evolve.search.state._costs import Costs
from evolve.search.state._faults import Faults
from evolve.search.state._islands import Islands
from evolve.search.state._memory import Memory
from evolve.search.state._population import Population
from evolve.search.state._pruning import Pruning
from evolve.search.state._ranges import Ranges
from evolve.search.state._shares import Part
from evolve.search.state._state import ProblemState, RunState
from evolve.search.state._steadiness import Steadiness
from evolve.search.state._tickets import Tickets
from evolve.search.state._tuning import TunerSession
from evolve.select import Bandit, Lineage, Novelty, _bandit, _cmaes, _pruner, _tuner

_MODULES = (
    archive,
    _candidates,
    _contract,
    _costs,
    _faults,
    _fingerprints,
    _cpu_budget,
    _ledger,
    _memory,
    _population,
    _usage,
    _tickets,
    _shares,
    _state,
    _turns,
    _bandit,
    _cmaes,
    _pruner,
    _tuner,
    _tuner_course,
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
# Every attribute of these is state, but for what follows from the configuration or can be found out again.
_COMPONENTS = (
    RunState, ProblemState, Population, Tickets, ModelLimits, Memory, Faults, TunerSession, ChampionTest, Confirmations, Repeats,
    Panel, Steadiness, Novelty, Lineage, KnownChanges, Climbs, Costs, Pruning, Ranges, Islands, ComputedDescriptors,
    Part,
)  # fmt: skip
_DERIVED: Mapping[type, frozenset[str]] = {
    RunState: frozenset({"config", "stop", "llm", "suite"}),
    ProblemState: frozenset({"run", "contract", "problem", "operators", "judged_at", "kept_back", "others", "pool", "share"}),
    Population: frozenset({"problem", "contract", "sign", "by_descent"}),
    ChampionTest: frozenset({"keeps_champion"}),
    Novelty: frozenset({"share", "_vectors"}),
    Lineage: frozenset({"_foremost", "_handed"}),
    KnownChanges: frozenset({"elsewhere"}),
}
_STATEFUL = ("runs", "search", "budget", "select", "confirm", "config", "problem")  # rooms whose code says what the state means


@cache
def state_code_hash() -> str:
    """A hash of the code that decides what the state means, as it was when first asked: what is installed while a driver runs is
    not its code."""
    engine = Path(__file__).parents[1]
    digest = hashlib.blake2b(digest_size=8)
    for folder in (*(engine / room for room in _STATEFUL), Path(archive.__file__).parent):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def dump_state(search: Search, arrays: list[np.ndarray]) -> dict[str, Any]:
    """The whole state as a JSON tree; its arrays are appended to ``arrays``.  Equal states give equal trees and arrays."""
    return {"run": _dump(search.run, arrays), "problems": {id_: _dump(state, arrays) for id_, state in search.problems.items()}}


def load_state(search: Search, tree: dict[str, Any], arrays: list[np.ndarray]) -> None:
    """The inverse of ``dump_state``, on a search that was built from the same configuration."""
    _load(search.run, tree["run"], arrays)
    for id_, state in search.problems.items():
        _load(state, tree["problems"][id_], arrays)
    search.run.model_limits.ledger.caps = caps_of(search.run.budget)


def _names(owner: object) -> list[str]:
    """The attributes that are state."""
    found = [one.name for one in fields(owner)] if is_dataclass(owner) else vars(owner)
    return [name for name in found if name not in _DERIVED.get(type(owner), ())]


def _dump(owner: object, arrays: list[np.ndarray]) -> dict[str, Any]:
    return {name: _dump_value(getattr(owner, name), arrays) for name in _names(owner)}


_ARCHIVES: dict[type, bool] = {}


def _is_archive(value: object) -> bool:
    """Whether it keeps to the protocol; each class is asked once, for asking is slow and nearly every value would be asked."""
    kind = type(value)
    if kind not in _ARCHIVES:
        _ARCHIVES[kind] = isinstance(value, Archive)
    return _ARCHIVES[kind]


def _dump_value(value: object, arrays: list[np.ndarray]) -> Any:
    match value:
        case Bandit():
            return value.dump()
        case Ledger():
            return encoded(value.dump(), arrays)
        case [PooledPosterior(), *_]:
            return [encoded(pooled.dump(), arrays) for pooled in cast("list[PooledPosterior]", value)]
        case [first, *_] if _is_archive(first):
            return [encoded(one.dump(), arrays) for one in cast("list[Archive]", value)]
        case _ if isinstance(value, _COMPONENTS):
            return _dump(value, arrays)
        case _:
            return encoded(value, arrays)


def _load(owner: object, tree: dict[str, Any], arrays: list[np.ndarray]) -> None:
    for name in _names(owner):
        setattr(owner, name, _load_value(getattr(owner, name), tree[name], arrays))


def _load_value(fresh: object, tree: Any, arrays: list[np.ndarray]) -> object:
    """The value of a tree, where ``fresh`` is that of a search of which nothing is known."""
    match fresh:
        case Bandit():
            fresh.load(tree)
            return fresh
        case Ledger():
            fresh.load(decoded(tree, arrays))
            return fresh
        case [PooledPosterior(), *_]:
            return [PooledPosterior.load(decoded(pooled, arrays)) for pooled in tree]
        case [first, *_] if _is_archive(first):
            for one, dumped in zip(cast("list[Archive]", fresh), tree, strict=True):
                one.load(decoded(dumped, arrays))
            return fresh
        case deque():
            return deque(decoded(tree, arrays), maxlen=fresh.maxlen)
        case _ if isinstance(fresh, _COMPONENTS):
            _load(fresh, tree, arrays)
            return fresh
        case _:
            return decoded(tree, arrays)


def save(stem: Path, search: Search, places: dict[str, int], position: Position) -> None:
    """Write the state after the record at ``position``, which must be durable.  Appears whole or not at all."""
    arrays: list[np.ndarray] = []
    tree = {
        **dump_state(search, arrays),
        "places": places,
        "position": encoded(position, arrays),
        "code": [state_code_hash(), search.source],
    }
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

    def restore(self, search: Search) -> None:
        """Put a fresh search, built from the same configuration, into this state."""
        load_state(search, self.tree, self.arrays)


def load(stem: Path, source: str = "") -> Checkpoint | None:
    """The checkpoint, or None where there is none that is whole and of this code, other people's (``Parts.source``) included."""
    try:
        head, _, text = stem.with_suffix(".json").read_bytes().partition(b',"state":')
        data, text = stem.with_suffix(".npz").read_bytes(), text[:-1]
    except FileNotFoundError:
        return None
    tie = hashlib.blake2b(text + data, digest_size=8).hexdigest()
    if head != f'{{"tie":"{tie}"'.encode():
        return None
    tree = json.loads(text)
    if tree["code"] != [state_code_hash(), source]:
        return None
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        arrays = [stored[f"arr_{i}"] for i in range(len(stored.files))]
    return Checkpoint(decoded(tree["position"], arrays), tree["places"], tree, arrays)


# Many values of one class are kept as columns, one a field: a hundred thousand rows are then a few long lists of plain values.


def encoded(value: Any, arrays: list[np.ndarray]) -> Any:
    """One value as JSON: plain values as they are, everything else as a mapping with one letter that says what it is."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, Enum):
        return {"e": kind.__name__, "v": value.value}
    if kind.__name__ in _FIELDS:
        return {"c": kind.__name__, "f": [encoded(getattr(value, field), arrays) for field in _FIELDS[kind.__name__]]}
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
        return {"x": [encoded(value, arrays) for value in values]}
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


def decoded(value: Any, arrays: list[np.ndarray]) -> Any:
    """The inverse of ``encoded``."""
    if not isinstance(value, dict):
        return value
    if "c" in value:
        name = value["c"]
        return _VALUES[name](**{field: decoded(item, arrays) for field, item in zip(_FIELDS[name], value["f"], strict=True)})
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
        return [decoded(value, arrays) for value in values["x"]]
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
