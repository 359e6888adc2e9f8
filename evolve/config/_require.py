"""What values of the configuration must be: one sentence for the one that is not."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from evolve._errors import ConfigError, suggest

MAX_SLOTS = 1024


def require(ok: bool, key: str, expected: str, found: object) -> None:
    """Refuse a value.

    Raises:
        ConfigError: it is not ``ok``; the sentence says what was expected of this key.
    """
    if not ok:
        raise ConfigError(f"{key} must be {expected}, found {found!r}; type {key}=VALUE with such a value.")


def require_known(key: str, name: str, known: Collection[str], *, many: bool = False) -> None:
    """Refuse a name that none of the known ones is, of a key that takes one of them or, with ``many``, a list.

    Raises:
        ConfigError: it is unknown; the sentence says which one is meant, or what to type for example.
    """
    if name in known:
        return
    some = list(filter(None, known))  # "" stands for none, and goes without saying
    more = suggest(str(name), some, f"type for example {key}={f'[{an_example(some)}]' if many else an_example(some)}")
    raise ConfigError(f"{key} must be {'a list out' if many else 'one'} of {', '.join(some)}, found {name!r}; {more}")


def an_example(known: Sequence[str]) -> str:
    """The first that is something: who types a name does not want ``none``, which confines nothing or asks nobody."""
    return next((name for name in known if name != "none"), known[0])


def is_number(value: object) -> bool:
    """Whether it is one; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
