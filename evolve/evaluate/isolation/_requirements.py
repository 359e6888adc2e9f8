"""Requirements of installed distributions: names and environment markers (PEP 508), without extras.

Only what is needed to follow ``Requires-Dist`` lines of distributions that pip has already resolved: versions are not looked at, so
that a line with one that nobody reads any more (``pytz (>dev)``) still names its distribution.
"""

from __future__ import annotations

import re

from evolve._errors import need

_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required_name(requirement: str) -> str | None:
    """The distribution a ``Requires-Dist`` line asks for here; None where its marker is false (extras are never asked for).

    Raises:
        ValueError: the line cannot be read.
        MissingPackage: there is nothing to read it with.
    """
    need("packaging", "packaging")
    from packaging.markers import Marker  # here, as it takes 28 ms and every evaluator imports the room

    found = _NAME.match(requirement)
    if not found:
        raise ValueError(f"not a requirement: {requirement!r}")
    marker = requirement.partition(";")[2]
    return normalised(found[1]) if not marker.strip() or Marker(marker).evaluate({"extra": ""}) else None
