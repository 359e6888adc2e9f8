"""All tasks by name, and the two halves of them.  ``_task.py`` says what the kinds are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from quality._deceptive import DECEPTIVE
from quality._functions import FUNCTIONS
from quality._lists import LISTS
from quality._several import SEVERAL
from quality._task import Task

_EXACT = {task.name: task for task in (*LISTS, *DECEPTIVE, *FUNCTIONS, *SEVERAL)}
_DESCRIBED = [replace(_EXACT[name], name=f"{name}_described", described=True) for name in ("circles", "rastrigin")]
_NOISY = [
    replace(_EXACT[name], name=f"{name}_noisy", noise=noise)
    for name, noise in (("ellipsoid", 0.01), ("nk", 0.02), ("clipped", 0.03), ("circles", 0.05), ("product", 0.08))
]
TASKS: Mapping[str, Task] = {**_EXACT, **{task.name: task for task in (*_DESCRIBED, *_NOISY)}}
# Settings are chosen on these, with seeds below 100; what is reported is of the others, with seeds from 100 on.
CHOOSING = (
    *("circles", "nk", "trap", "modes", "descent", "hills", "royal", "cubic", "gate", "knapsack", "features", "cart"),
    *("circles_described", "nk_noisy", "clipped_noisy"),
)
REPORTING = tuple(name for name in TASKS if name not in CHOOSING)
