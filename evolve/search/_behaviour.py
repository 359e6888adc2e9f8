"""Descriptors of behaviour where a problem declares none: what a measurement shows of a program without a word of whoever wrote the
evaluator.

Times scatter, most of all where other processes run beside.  So times, memory and sizes count in powers of two, rounded: what
differs by more than the double stands apart, and what differs by a tenth mostly does not.  Where they scatter more they tell
nothing, and the test of cells finds it.  They are held against what the first program took that was started the same way, as a rule
the initial one: from a warm process a program takes less, whichever it is.
"""

from __future__ import annotations

import math
from dataclasses import replace

from archive import Measurement, Status
from evolve.config._schema import BEHAVIOUR
from evolve.search.state._state import ProblemState

NAMES = ("cpu_time", "wall_time", "memory", "artifacts", "output")  # and those that metrics of the outcome have
METRIC = "metrics."  # before the name of one
MOST_METRICS = 8  # the first by name: each more is one more that chance may favour
_LEAST = (1e-3, 1e-3, 1.0)  # seconds of CPU and on the clock, MiB: below it nothing is told apart


def with_behaviour(state: ProblemState, result: Measurement) -> Measurement:
    """The measurement with its descriptors of behaviour, where those are computed and it is ok."""
    if state.run.config.descriptors != BEHAVIOUR or result.status is not Status.OK:
        return result
    taken = (result.cpu_s, result.wall_s, result.memory_mib)
    first = state.computed.first.get((result.stage, result.start), taken)
    more = [_doublings(max(now, least) / max(then, least)) for now, then, least in zip(taken, first, _LEAST, strict=True)]
    size = len(result.feedback) + sum(map(len, result.artifacts.values()))
    found = dict(zip(NAMES, (*more, float(len(result.artifacts)), _doublings(1 + size)), strict=True))
    reported = sorted(name for name, value in result.metrics.items() if math.isfinite(value))[:MOST_METRICS]
    found |= {METRIC + name: float(result.metrics[name]) for name in reported}
    return replace(result, descriptors={**found, **result.descriptors})


def _doublings(ratio: float) -> float:
    return float(round(math.log2(ratio)))
