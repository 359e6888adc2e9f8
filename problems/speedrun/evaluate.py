"""A race of a training script to a target loss on held-out text, as in the NanoGPT speedrun, made small.

``form=time`` (``timed``): the program says how long it trains, before any text is there, is served the text, and counts if the
validation at its end is at or below the target; the score is the time that took.  ``form=steps`` (``steps``): data, batch and model
are the grader's, who hands out gradients; the score is the first step with a validation at or below the target.

Whether the target is reached is seen here, from weights; what the program prints or says of it is never looked at.

A record is judged by the mean of its runs, of which one may miss the target by chance, and few runs show a mean to be below it only
where it is so by a buffer.  So each run is asked to end a buffer below the target, and pays for what it lacks of that, smoothly, a
few times what it is worth; a run that misses the target itself by far has not reached it, and has no score.
"""

import json
import math
import platform
import time
from importlib.metadata import version

import steps
import timed
from course import Course

from archive import Curve
from evolve import Outcome, Status, Trial

BUFFER = 0.018  # nats a token: one to two standard deviations of the baseline's runs (calibration.json)
CHARGE = 15.0  # a nat that is lacking, of the logarithm of the score: five times what it is worth (0.3 nats an e-fold of steps)
MISS = 0.05  # nats a token above the target, up to which a run has a score


def evaluate(trial: Trial) -> Outcome:
    aim = target(trial)
    began = time.time()
    run = steps.race if trial.params["form"] == "steps" else timed.race
    found = run(trial, aim)
    return found if isinstance(found, Outcome) else outcome(found, aim, began)


def target(trial: Trial) -> float:
    """Nats a token: as it was set, or as ``calibration.json`` has it."""
    given = float(trial.params["target"])
    return given or float(json.loads((trial.problem / "calibration.json").read_text())[trial.params["form"]]["target"])


def outcome(course: Course, aim: float, began: float) -> Outcome:
    """The result of a race that was run to its end, with its course whether the target was reached or not."""
    told = {
        "schema": 1,
        "form": course.form,
        "clock": course.clock,
        "target": aim,
        "reached": course.reached is not None,
        "total": course.total,
        "points": [[point.step, round(point.loss, 6), round(point.seconds, 4)] for point in course.points],
        "started": round(began, 3),
        "versions": {"Python": platform.python_version(), "PyTorch": version("torch")},
        "peak_mib": round(course.peak_mib),
    }
    last = course.points[-1]
    shared = {
        "feedback": describe(course, aim),
        "artifacts": {"race": json.dumps(told).encode()},
        "curve": Curve(
            tuple(float(one.step) for one in course.points), tuple(one.loss for one in course.points), "step", "val_loss"
        ),
    }
    if last.loss > aim + MISS:
        why = f"the target was not reached: validation loss {last.loss:.4f} after {last.step} steps, target {aim:.4f}"
        return Outcome(status=Status.CHECKS_FAILED, reason=why, **shared)
    return Outcome(
        score=course.score * paid(course, aim),
        metrics={"val_loss": last.loss, "margin": aim - last.loss, "steps": float(last.step), **course.metrics},
        descriptors={
            "log10_steps": math.log10(max(1.0, last.step)),
            "log10_tokens_a_step": math.log10(max(1.0, course.metrics["train_tokens"] / max(1, last.step))),
        },
        probe_hash=course.probe_hash,
        **shared,
    )


def paid(course: Course, aim: float) -> float:
    """By what the score is multiplied: for what the best validation lacks of the buffer where steps are counted, else the last."""
    losses = [point.loss for point in course.points]
    ended = min(losses) if course.form == "steps" else losses[-1]
    return math.exp(CHARGE * max(0.0, ended - (aim - BUFFER)))


def describe(course: Course, aim: float) -> str:
    """The course in words, for whoever makes the next child."""
    points = ", ".join(f"{point.loss:.3f} at {point.step}" for point in course.points[-12:])
    last = course.points[-1].loss
    far = f"{abs(aim - last):.4f} nats {'below' if last <= aim else 'above'} the target of {aim:.4f}"
    return f"It ended {far}. Validation losses by step: {points}.\nPrinted by the candidate (untrusted):\n{course.log[-600:]}"
