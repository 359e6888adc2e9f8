"""Which values a key of the configuration may have, said once: what is refused is what the reference page prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from evolve.config._require import require, require_known

Value = TypeVar("Value")
_RULE = "rule"


@dataclass(frozen=True, slots=True)
class Rule:
    """``expected`` ends the sentence *KEY must be*; ``holds`` says of a value whether it is that.  ``names`` are all that may stand
    there, once or, with ``many``, in a list."""

    expected: str
    holds: Callable[[Any], bool]
    names: tuple[str, ...] = ()
    many: bool = False


def key(default: Value, rule: Rule) -> Value:
    """The field of a key with a rule; where the default is null, null is allowed beside it."""
    return field(default=default, metadata={_RULE: rule})


def check(section: Any, place: str) -> None:
    """Refuse the first value of a section that breaks the rule of its key.

    Raises:
        ConfigError: one does.
    """
    for one in fields(section):
        rule, value = rule_of(one), getattr(section, one.name)
        if rule is not None and not (value is None and one.default is None):
            for name in (value if rule.many else [value]) if rule.names else ():
                require_known(f"{place}.{one.name}", name, rule.names, many=rule.many)
            require(rule.holds(value), f"{place}.{one.name}", rule.expected, list(value) if isinstance(value, tuple) else value)


def rule_of(one: Any) -> Rule | None:
    """The rule of a dataclass's field."""
    found = one.metadata.get(_RULE)
    assert found is None or isinstance(found, Rule)
    return found


def at_least(low: int) -> Rule:
    return Rule(f"at least {low}", lambda value: value >= low)


def from_to(low: int, high: int) -> Rule:
    return Rule(f"from {low} to {high}", lambda value: low <= value <= high)


def one_of(*names: str) -> Rule:
    """One name; "" among them stands for none, and goes without saying."""
    return Rule(f"one of {', '.join(filter(None, names))}", lambda value: value in names, names)


def some_of(*names: str, none: bool = False) -> Rule:
    """A list out of these; an empty one only with ``none``."""
    return Rule(
        f"a list out of {', '.join(names)}", lambda value: (none or bool(value)) and set(value) <= set(names), names, many=True
    )


ABOVE_0 = Rule("above 0", lambda value: value > 0)
SHARE = Rule("between 0 and 1", lambda value: 0 <= value <= 1)
SHARE_BELOW_1 = Rule("at least 0 and below 1", lambda value: 0 <= value < 1)
