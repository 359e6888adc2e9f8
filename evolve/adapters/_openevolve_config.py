"""What of an OpenEvolve ``config.yaml`` means something here; every other key is named to the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from evolve._errors import ProblemError
from evolve.problem.contract._strict_yaml import read_yaml, show

CONFIG_FILE = "config.yaml"
_Value = TypeVar("_Value")
# What OpenEvolve does where the key is not there.
TIMEOUT_S, THRESHOLDS = 300.0, (0.5, 0.75, 0.9)
_TAKEN = {
    "evaluator.timeout", "evaluator.cascade_evaluation", "evaluator.cascade_thresholds", "evaluator.evaluator_args",
    "prompt.system_message", "database.feature_dimensions", "language", "file_suffix",
}  # fmt: skip
_HINTS = {
    "max_iterations": "type budget.candidates={} for as many children",
    "random_seed": "type seed={}",
    "database.random_seed": "type seed={}",
    "evaluator.parallel_evaluations": "type executor.slots={}",
    "parallel_evaluations": "type executor.slots={}",
    "max_code_length": "write max_bytes: {} into evolve.yaml to keep programs as short",
}


@dataclass(frozen=True, slots=True)
class OpenEvolveConfig:
    """``hints`` are sentences about keys that something else here stands for, ``unused`` the keys that nothing does."""

    timeout_s: float = TIMEOUT_S
    cascade: bool = True
    thresholds: tuple[float, ...] = THRESHOLDS
    arguments: Mapping[str, object] = field(default_factory=dict)
    system_message: str = ""
    features: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


def read_config(path: Path) -> OpenEvolveConfig:
    """Read one; where there is none, OpenEvolve's defaults hold.

    Raises:
        ProblemError: it is no YAML, or a key that is used has a value of another form.
    """
    if not path.is_file() or not path.read_bytes().strip():
        return OpenEvolveConfig()
    document = read_yaml(path)
    keys = dict(_leaves("", document))
    return OpenEvolveConfig(
        timeout_s=_positive(keys, "evaluator.timeout", TIMEOUT_S),
        cascade=_typed(keys, "evaluator.cascade_evaluation", True, "true or false"),
        thresholds=_numbers(keys, "evaluator.cascade_thresholds", THRESHOLDS),
        arguments=_arguments(document),
        system_message=_typed(keys, "prompt.system_message", "", "text"),
        features=tuple(str(one) for one in _typed(keys, "database.feature_dimensions", list[object](), "a list of names")),
        hints=tuple(f"{key} is {show(keys[key])} there: {hint.format(keys[key])}." for key, hint in _HINTS.items() if key in keys),
        unused=tuple(key for key in keys if key not in _TAKEN | _HINTS.keys() and not key.startswith("evaluator.evaluator_args.")),
    )


def _leaves(at: str, values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        name = f"{at}.{key}" if at else key
        if isinstance(value, dict) and value:
            yield from _leaves(name, value)
        else:
            yield name, value


def _wrong(key: str, expected: str, found: object) -> ProblemError:
    return ProblemError(f"{CONFIG_FILE}: {key}: expected {expected}, found {show(found)}; mend it.")


def _typed(keys: Mapping[str, object], key: str, default: _Value, expected: str) -> _Value:
    """The value of a key, of the default's type."""
    value = keys.get(key)
    if value is None:
        return default
    if not isinstance(value, type(default)):
        raise _wrong(key, expected, value)
    return value


def _positive(keys: Mapping[str, object], key: str, default: float) -> float:
    value = keys.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 7 * 24 * 3600:
        raise _wrong(key, "seconds above 0, at most a week", value)
    return float(value)


def _numbers(keys: Mapping[str, object], key: str, default: tuple[float, ...]) -> tuple[float, ...]:
    value = keys.get(key)
    if value is None:
        return default
    if not isinstance(value, list) or any(isinstance(one, bool) or not isinstance(one, int | float) for one in value):
        raise _wrong(key, "a list of numbers", value)
    return tuple(float(one) for one in value)


def _arguments(document: Mapping[str, object]) -> Mapping[str, object]:
    section = document.get("evaluator")
    value = section.get("evaluator_args") if isinstance(section, dict) else None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong("evaluator.evaluator_args", "a mapping of names to values", value)
    return value
