"""What one problem of several has earned and cost of late: by this a run decides whose turn it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Turns:
    """``gain`` and ``cost`` count less with each further measurement of the run.  Gains are shares of all that was gained over the
    first score, so that problems with other units can be compared.  ``first`` and ``best`` are scores, higher is better;
    ``measured`` and ``wall_s`` are how much of the problem's spending is counted in ``cost`` already."""

    gain: float = 0.0
    cost: float = 0.0
    first: float | None = None
    best: float | None = None
    measured: int = 0
    wall_s: float = 0.0
