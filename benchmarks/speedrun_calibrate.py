"""Measures what the target of problem=speedrun is: the mean loss of the initial program cut to the baseline's steps.

    python benchmarks/speedrun_calibrate.py --form time --steps 250 --runs 6
    python benchmarks/speedrun_calibrate.py --form steps --steps 250 --runs 6 --write

Prints the losses, their mean and standard deviation; with --write they go into the problem's calibration.json, from where its
target is taken.  Further words are params of the problem, such as corpus=FOLDER: then pass the target that is printed as
problem.params.target.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import evolve
from archive import Status

NEVER_MISSED = 19.0  # nats a token


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--form", choices=["time", "steps"], default="time")
    parser.add_argument("--steps", type=int, help="of the baseline; default: as the initial program has them")
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--write", action="store_true", help="keep it in calibration.json")
    parser.add_argument("--problem", default="speedrun", help="the folder of a copy")
    parser.add_argument("param", nargs="*", help="NAME=VALUE of the problem")
    words = parser.parse_args(argv)
    params: dict[str, object] = {name: _value(text) for name, text in (word.split("=", 1) for word in words.param)}
    problem = evolve.load_problem(words.problem, form=words.form, target=NEVER_MISSED, **params)  # type: ignore[arg-type]
    files = cut(problem.initial_files, words.steps)
    losses, seconds = [], []
    for number in range(words.runs):
        (run,) = evolve.measure(problem, files)
        if run.status is not Status.OK:
            raise SystemExit(f"expected the baseline to train, found {run.status}: {run.reason}")
        losses.append(run.metrics["val_loss"])
        seconds.append(run.metrics["train_s"] + run.metrics["forward_s"])
        print(f"run {number + 1}/{words.runs}: val_loss {losses[-1]:.5f} after {run.metrics['steps']:g} steps, {seconds[-1]:.2f} s")
    found = summary(words.form, words.steps, losses, seconds)
    print(json.dumps(found, indent=1))
    if words.write:
        place = Path(problem.folder) / "calibration.json"
        place.write_text(json.dumps({**json.loads(place.read_text()), words.form: found}, indent=1) + "\n", encoding="utf-8")


def cut(files: Mapping[str, str], steps: int | None) -> dict[str, str]:
    """The program with another number of steps."""
    if steps is None:
        return dict(files)
    text, n = re.subn(r"^STEPS = \d+", f"STEPS = {steps}", files["train.py"], flags=re.M)
    if n != 1:
        raise SystemExit("expected one line STEPS = N in the initial program's train.py, found none")
    return {**files, "train.py": text}


def summary(form: str, steps: int | None, losses: Sequence[float], seconds: Sequence[float]) -> dict[str, object]:
    """The target, and what it is from."""
    mean = statistics.fmean(losses)
    return {
        "target": math.ceil(mean * 1e4) / 1e4,
        "mean": round(mean, 6),
        "sd": round(statistics.stdev(losses), 6) if len(losses) > 1 else None,
        "runs": len(losses),
        "seconds": round(statistics.fmean(seconds), 2),
        "command": f"python benchmarks/speedrun_calibrate.py --form {form}"
        + (f" --steps {steps}" if steps else "")
        + f" --runs {len(losses)} --write",
    }


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    main()
