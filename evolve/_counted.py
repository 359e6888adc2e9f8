"""A number with what it counts, for sentences; and what stands beside a number that leaves some out."""

from __future__ import annotations


def counted(n: int, one: str, many: str = "") -> str:
    """``1 candidate``, ``3 candidates``; ``many`` is the plural where it is not ``one`` with an s."""
    return f"{n} {one if n == 1 else many or f'{one}s'}"


def far_off_text(n: int, far: int) -> str:
    """What must stand beside a number of ``n`` measurements where others are wild; "" where none is."""
    if not far:
        return ""
    own = "" if n else ", which is what its relatives say"
    return f"{far} of {counted(n + far, 'measurement')} {'is' if far == 1 else 'are'} far off and not in this number{own}"
