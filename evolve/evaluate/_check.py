"""One thing that the doctor looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found and, unless it is fine, what to do.  A ``hint`` that is not ok is advice only.  Of a
    machine, a check that is not ok makes ``strict`` impossible unless its remedy says what happens instead."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    hint: bool = False
