"""A YAML file read strictly, and typed access to its mappings, with one sentence for every mistake."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from evolve._errors import ProblemError, need, suggest
from evolve._renamed import PROBLEM_KEYS

FLOAT = re.compile(r"[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+\Z")  # YAML 1.1 reads 1e-3 as text


def read_yaml(path: Path) -> dict[str, object]:
    """The mapping in a YAML file, of plain values only (text, finite numbers, true, false, nothing, lists, mappings).

    JSON is YAML; a file of JSON is read without PyYAML, so that a machine where little can be installed does without it.

    Raises:
        ProblemError: the file is missing, not UTF-8, not YAML, no mapping, has duplicate keys, or holds a date or the like.
        MissingPackage: it is not JSON, and PyYAML is not installed.
    """
    text = _read(path)
    document = _from_json(path.name, text) if text.lstrip().startswith("{") else None
    if document is None:
        document = _from_yaml(path.name, text)
    _only_plain(path.name, "", document)
    if not isinstance(document, dict):
        raise ProblemError(f"{path.name}: expected keys such as name, metric and goal, found {show(document)}.")
    return document


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ProblemError(
            f"expected a file {path.name} in {path.parent}, found none; see `evolve new` for a working one."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"{path}: expected a readable UTF-8 file, found {error}.") from error


def _from_json(file: str, text: str) -> object | None:
    """The document if it is JSON, else None: it may still be YAML."""

    def mapping(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [key for key, _ in pairs]
            twice = next(key for key in names if names.count(key) > 1)
            raise ProblemError(f"{file}: the key {twice} stands in one place a second time; remove one of the two.")
        return found

    try:
        return json.loads(text, object_pairs_hook=mapping)
    except (ValueError, RecursionError):
        return None


def _from_yaml(file: str, text: str) -> object:
    need("yaml", "pyyaml")
    import yaml

    try:
        return yaml.load(text, _loader(file))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        what = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ProblemError(f"{file}: {line}expected YAML, found a mistake ({what}); mend that line.") from error
    except (ValueError, RecursionError) as error:  # a date such as 2020-13-01, an alias within itself
        raise ProblemError(f"{file}: expected plain values, found one that cannot be read ({error}); mend it.") from error


def _loader(file: str) -> type[Any]:
    """PyYAML's safe loader that refuses duplicate keys, and reads 1e-3 as a number."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def mapping(loader: Loader, node: Any) -> dict[str, object]:
        seen: set[str] = set()
        for key_node in (key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"):
            key, line = loader.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise ProblemError(f"{file}: line {line}: expected a name as key, found {show(key)}.")
            if key in seen:
                raise ProblemError(f"{file}: line {line}: the key {key} stands here a second time; remove one of the two.")
            seen.add(key)
        loader.flatten_mapping(node)  # merge keys, which others may override
        return {loader.construct_object(key, deep=True): loader.construct_object(value, deep=True) for key, value in node.value}

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))
    return Loader


def _only_plain(file: str, at: str, value: object) -> None:
    """Refuse what JSON cannot hold (dates, bytes, NaN): the document is hashed as JSON."""
    if isinstance(value, dict):
        for key, one in value.items():
            _only_plain(file, f"{at}.{key}" if at else key, one)
    elif isinstance(value, list):
        for i, one in enumerate(value):
            _only_plain(file, f"{at}[{i}]", one)
    elif not isinstance(value, bool | int | float | str | None) or (isinstance(value, float) and not math.isfinite(value)):
        raise ProblemError(
            f"{file}: {at}: expected text, a finite number, true or false, found {show(value)}; quote it if it is text."
        )


def hint(found: object, known: Iterable[object]) -> str:
    """``; did you mean X?`` where something known is close to what was found, else nothing."""
    more = suggest(str(found), map(str, known), "")
    return more and f"; {more}"


def show(value: object) -> str:
    """A found value for an error message, cut to a line."""
    if value is None:
        return "nothing"
    text = repr(value)
    return f"{text[:57]}..." if len(text) > 60 else text


@dataclass(frozen=True, slots=True)
class Section:
    """One mapping of the file, with typed access; ``at`` is its place, such as ``stages[0]``."""

    file: str
    at: str
    values: Mapping[str, object]

    @classmethod
    def of(cls, file: str, at: str, value: object, keys: Iterable[str]) -> Section:
        """A mapping all of whose keys are known."""
        known = tuple(keys)
        if not isinstance(value, dict):
            where = f"{file}: {at}" if at else file
            raise ProblemError(f"{where}: expected a mapping with keys such as {', '.join(known[:3])}, found {show(value)}.")
        for key in value:
            if key not in known:
                place = f"{at}.{key}" if at else f"{key}"
                if key in PROBLEM_KEYS:
                    new = PROBLEM_KEYS[key]
                    raise ProblemError(f"{file}: {place}: no such key; it is called {new} now, write {new} in its place.")
                extra = hint(key, known) or f"; the keys known here are {', '.join(known)}."
                raise ProblemError(f"{file}: {place}: no such key{extra}")
        return cls(file, at, value)

    def error(self, key: str, expected: str, remedy: str = "") -> ProblemError:
        place = f"{self.at}.{key}" if self.at else key
        return ProblemError(
            f"{self.file}: {place}: expected {expected}, found {show(self.values.get(key))}{f'; {remedy}' if remedy else ''}."
        )

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise self.error(key, "text", f'write {key}: "..."')
        return value

    def word(self, key: str, pattern: re.Pattern[str], expected: str, example: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not pattern.match(value):
            raise self.error(key, expected, f"write for example {example}")
        return value

    def choice(self, key: str, options: tuple[str, ...], default: str | None = None) -> str:
        value = self.values.get(key, default)
        if value not in options:
            raise self.error(
                key, f"one of {', '.join(options)}", hint(value, options)[2:].rstrip("?") or f"write {key}: {options[0]}"
            )
        assert isinstance(value, str)
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, "true or false", f"write {key}: {str(default).lower()}")
        return value

    def integer(self, key: str, default: int | None, low: int, high: int) -> int:
        value = self.values.get(key, default)
        if type(value) is not int or not low <= value <= high:
            raise self.error(key, f"a whole number from {low} to {high}", f"write for example {key}: {default or low}")
        return value

    def number(self, key: str, default: float | None, low: float, high: float, *, above: bool = False) -> float:
        """A finite number in [low, high], or (low, high] with ``above``."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not (low < value if above else low <= value):
            bound = "" if low == -math.inf else f" {'above' if above else 'of at least'} {low:g}"
            raise self.error(key, f"a number{bound}", _example(key, default))
        if not value <= high:
            raise self.error(key, f"a number up to {high:g}", _example(key, default))
        if abs(value) > sys.float_info.max:  # an integer may be
            raise self.error(key, "a number that fits a float", _example(key, default))
        return float(value)

    def optional(self, key: str, low: float, high: float) -> float | None:
        """A number above ``low``, or None where the key is absent or empty."""
        return None if self.values.get(key) is None else self.number(key, None, low, high, above=True)

    def words(self, key: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) and pattern.match(one) for one in value):
            raise self.error(key, "a list of names", f"write for example {key}: [one, two]")
        if len(set(value)) != len(value):
            raise self.error(key, "a list without repetitions")
        return tuple(value)

    def paths(self, key: str) -> tuple[str, ...]:
        """Relative POSIX paths that stay inside."""
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) and _inside(one) for one in value):
            raise self.error(
                key, "a list of relative paths inside the folder, without . and ..", f"write for example {key}: [main.py]"
            )
        if len(set(value)) != len(value):
            raise self.error(key, "a list without repetitions")
        return tuple(value)

    def sections(self, key: str, keys: tuple[str, ...]) -> tuple[Section, ...]:
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.error(key, "a list of mappings", f"write '{key}:' and below it '  - {{{keys[0]}: ..., {keys[1]}: ...}}'")
        return tuple(Section.of(self.file, f"{key}[{i}]", one, keys) for i, one in enumerate(value))

    def section(self, key: str, keys: tuple[str, ...]) -> Section:
        value = self.values.get(key)
        return Section.of(self.file, key, {} if value is None else value, keys)


def _inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return (
        bool(path) and not pure.is_absolute() and ".." not in pure.parts and str(pure) == path and "\\" not in path and path != "."
    )


def _example(key: str, default: float | None) -> str:
    return "" if default is None else f"write for example {key}: {default:g}"
