"""A number with what it counts, for sentences."""

from __future__ import annotations


def counted(n: int, one: str, many: str = "") -> str:
    """``1 candidate``, ``3 candidates``; ``many`` is the plural where it is not ``one`` with an s."""
    return f"{n} {one if n == 1 else many or f'{one}s'}"
