"""``evolve new``: a complete small problem to start from, read in two minutes and working at once."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from evolve._errors import ProblemError
from evolve.problem.scaffold import _speed

PROBLEM_YAML = """\
name: {name}
metric: max_error
goal: minimize
candidate_imports: [numpy]
stages:
  - {{name: full, time_s: 10, start: warm}}
descriptors:
  - {{name: worst_at, source: outcome, low: -1.571, high: 1.571, bins: 20}}
"""

INITIAL = '''\
"""A polynomial that should follow the sine."""


def approximate(x):
    """Values at the points x, a float64 array of shape (n,)."""
    return 0.9 * x - 0.1 * x**3
'''

EVALUATE = '''\
"""How far the candidate's curve is from the sine between -pi/2 and pi/2, at worst."""

import numpy as np

from evolve import Array, Outcome, Trial


def evaluate(trial: Trial) -> Outcome:
    x = np.linspace(-np.pi / 2, np.pi / 2, 201)

    # The candidate runs in a sandbox.  What it returns is read strictly: 201 finite floats, or the trial has failed.
    reply = trial.sandbox.call("main.py:approximate", {"x": x}, {"y": Array("float64", (201,))})
    if not reply.ok:
        return reply.outcome()

    # The score is computed here, from what came back, and never taken from the candidate.
    error = np.abs(reply.value["y"] - np.sin(x))
    worst = float(x[error.argmax()])
    return Outcome(
        score=float(error.max()),
        descriptors={"worst_at": worst},
        feedback=f"The curve is worst at x = {worst:.3f}.",
    )
'''

STATEMENT = """\
`main.py` defines `approximate(x)`. It gets a float64 array of points between -pi/2 and pi/2 and returns an array of the same shape
that follows sin(x). The score is the greatest absolute error over the points; lower is better. numpy may be imported, but neither
numpy's nor any other sine, cosine or exponential should be called: the point is a cheap polynomial.
"""

README = """\
# {name}

| | |
|---|---|
| candidate | `main.py:approximate(x)` |
| score | greatest absolute error against the sine on 201 points; deterministic; lower is better |
| initial program | 0.9 x - 0.1 x^3 |
| best known | add it here, with source and date |

Check it: `evolve validate {folder}`. Search: `evolve run problem={folder}`.
"""


def scaffold(folder: Path, *, speed: bool = False) -> Path:
    """Write a small working problem into ``folder`` and return the folder; with ``speed`` it is about a function's time.

    Raises:
        ProblemError: ``folder`` exists and is not an empty folder, or cannot be written.
        ProblemError: no name can be made of the folder's name.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProblemError(f"expected a new or empty folder at {folder}, found files in it; choose another name: evolve new DIR")
    name = re.sub(r"[^A-Za-z0-9_]+", "_", folder.resolve().name).strip("_")
    if not name or not name[0].isalpha():
        raise ProblemError(
            f"expected a folder name that begins with a letter, found {folder.resolve().name!r}; choose another one."
        )
    kind = _speed if speed else sys.modules[__name__]
    texts = {
        "problem.yaml": kind.PROBLEM_YAML.format(name=name),
        "initial/main.py": kind.INITIAL,
        "evaluate.py": kind.EVALUATE,
        "statement.md": kind.STATEMENT,
        "README.md": kind.README.format(
            name=name, folder=shlex.quote(folder.as_posix() if "/" in folder.as_posix() else f"./{folder}")
        ),
    }
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        for path, text in texts.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    except BaseException as error:
        _remove(folder, made)
        if isinstance(error, OSError):
            raise ProblemError(f"expected to write a new problem at {folder}, found {error}; choose another place.") from error
        raise
    return folder


def _remove(folder: Path, made: list[Path]) -> None:
    """Empty a folder that was empty, and remove the folders that were made for it."""
    with suppress(OSError):
        for one in folder.iterdir():
            if one.is_dir():
                shutil.rmtree(one, ignore_errors=True)
            else:
                one.unlink()
        for one in made:
            one.rmdir()
