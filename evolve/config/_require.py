"""What values of the configuration must be: one sentence for the one that is not."""

from __future__ import annotations

from evolve._errors import ConfigError

MAX_SLOTS = 1024


def require(ok: bool, key: str, expected: str, found: object) -> None:
    """Refuse a value.

    Raises:
        ConfigError: it is not ``ok``; the sentence says what was expected of this key.
    """
    if not ok:
        raise ConfigError(f"{key} must be {expected}, found {found!r}; type {key}=VALUE with such a value.")


def is_number(value: object) -> bool:
    """Whether it is one; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
