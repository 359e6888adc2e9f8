"""``contract.json`` of a record folder: to what target it raced, where that is another than a track's own."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from evolve._errors import UsageError
from evolve._untrusted import visible

NAME = "contract.json"


@dataclass(frozen=True, slots=True)
class Scaled:
    """The rules of a track at another size: its number, the target, and in words what differs."""

    track: int
    target: float
    what: str

    @property
    def note(self) -> str:
        """What must stand beside every number of the folder."""
        what = visible(" ".join(self.what.split()))[:200]
        return f"{NAME} sets the target {self.target:g}: {what}; not comparable with a record of the track"


def write_contract(folder: Path, scaled: Scaled) -> None:
    """Into a record folder."""
    told = {"schema": 1, "track": scaled.track, "target": scaled.target, "what": scaled.what}
    (folder / NAME).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read_contract(folder: Path) -> Scaled | None:
    """That of a folder, or of the one it is a sub-folder of; None where there is none.

    Raises:
        UsageError: the file is there and says something else.
    """
    place = next((one / NAME for one in (folder, folder.resolve().parent) if (one / NAME).is_file()), None)
    if place is None:
        return None
    try:
        said = json.loads(place.read_text(encoding="utf-8"))
        found = Scaled(int(said["track"]), float(said["target"]), str(said["what"]))
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"expected track, target and what in {place}, found {error}; write it anew: evolve speedrun package"
        ) from None
    if found.track not in (1, 2, 3) or not (math.isfinite(found.target) and found.target > 0):
        raise UsageError(f"expected track 1 to 3 and a target above 0 in {place}, found {found.track} and {found.target}")
    return found
