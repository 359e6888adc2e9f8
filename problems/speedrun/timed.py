"""``form=time``: the program trains as it likes, for as many steps as it said beforehand; the clock is the grader's.

One process of the candidate answers calls of ``train.py:turn`` one after another:

    setup   builds the model before any text is there, and says the plan: after how many steps and tokens of text it will hand in
            weights, the last time at its end; at most ``setup_s`` seconds
    train   the next tokens of the plan; gives weights back, which are validated afterwards

The time of a race is all CPU seconds of its processes from the first text on (or seconds of the grader's clock), and those of the
process that predicts for the last validation: else training could hide there.  It is the last validation that decides, so all runs
of a program are of one length, and none can stop when it is lucky.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import data
import numpy as np
import scorer
from course import Course, Point

from evolve import Array, JsonValue, Outcome, Status, Trial

MAX_WEIGHTS_BYTES = 1 << 28
MOST_POINTS = 16
KNOWS = 0.98  # of what unigrams of the training part cost: below it the program knew the text before it was shown any
RETURNS = {"weights": Array("uint8", (None,), max_items=MAX_WEIGHTS_BYTES), "plan": JsonValue(max_bytes=4000)}


@dataclass
class Training:
    """Makes up the calls and keeps what came back: see ``evolve.Trial.sandbox.converse``."""

    trial: Trial
    stream: np.ndarray
    clock: Callable[[], float] = time.perf_counter
    plan: tuple[tuple[int, int], ...] = ()
    weights: list[bytes] = field(default_factory=list)  # before training, and at each point of the plan
    wall_s: list[float] = field(default_factory=list)  # from sending the first text to each of these
    setup_s: float = 0.0
    began: float = 0.0
    fault: str = ""

    def __call__(self, answer: Mapping[str, object] | None, seconds: float) -> Mapping[str, object] | None:
        if answer is None:
            self.setup_s = seconds  # loading is part of it
            return self._call("setup", np.zeros(0, np.int32))
        if not self.weights:
            self.setup_s += seconds
            found = read_plan(answer["plan"], int(self.trial.params["context"]), int(self.trial.params["most_tokens"]))
            if isinstance(found, str) or self.setup_s > float(self.trial.params["setup_s"]):
                self.fault = found if isinstance(found, str) else ""
                return None
            self.plan, self.began = found, self.clock()
        self.weights.append(answer["weights"].tobytes())
        self.wall_s.append(self.clock() - self.began)
        done = len(self.weights) - 1
        if done == len(self.plan):
            return None
        sent, end = self.plan[done - 1][1] if done else 0, self.plan[done][1]
        return self._call("train", self.stream[np.arange(sent, end) % len(self.stream)].astype(np.int32))

    def _call(self, phase: str, tokens: np.ndarray) -> Mapping[str, object]:
        return {
            "phase": phase,
            "tokens": tokens,
            "seed": int(self.trial.rng("training").integers(1 << 31)),
            "sizes": {name: int(self.trial.params[name]) for name in ("vocabulary", "context")},
        }


def read_plan(said: object, context: int, most: int) -> tuple[tuple[int, int], ...] | str:
    """The points that a program announced, (steps, tokens), or what is wrong with them."""
    pairs = said if isinstance(said, list) else []
    whole = [one for one in pairs if isinstance(one, list) and len(one) == 2 and all(type(number) is int for number in one)]
    if not pairs or len(whole) < len(pairs) or len(pairs) > MOST_POINTS:
        return f"expected a plan [[steps, tokens], ...] of 1 to {MOST_POINTS} validations, found {json.dumps(said)[:80]}"
    found = tuple((step, tokens) for step, tokens in whole)
    ahead = [(0, context), *found]
    if any(a[0] >= b[0] or a[1] > b[1] for a, b in zip(ahead, found, strict=False)) or found[-1][0] > 10**7:
        return f"expected a plan whose steps and tokens grow, from {context} tokens on, found {json.dumps(said)[:80]}"
    if found[-1][1] > most:
        return f"expected a plan of at most {most} tokens (problem.params.most_tokens), found {found[-1][1]}"
    return found


def race(trial: Trial, aim: float) -> Course | Outcome:
    scorer.forget_reads(trial)
    training = Training(trial, data.training(trial))
    reply = trial.sandbox.converse("train.py:turn", training, RETURNS)
    if training.fault:
        return Outcome.fail(Status.INVALID, training.fault)
    if training.setup_s > float(trial.params["setup_s"]):
        limit = float(trial.params["setup_s"])
        return Outcome.fail(
            Status.OVER_BUDGET, f"setup took {training.setup_s:.1f} s; {limit:g} s are allowed (problem.params.setup_s)"
        )
    if not reply.ok:
        return reply.outcome()
    if not all(training.weights):
        return Outcome.fail(Status.INVALID, "a call gave no weights; they are validated after setup and at each point of the plan")
    early = scorer.curve(trial, training.weights[:-1])
    if isinstance(early, Outcome):
        return early
    if early[0] < KNOWS * (unigram := data.facts(trial.assets)["unigram_nats"]):
        why = f"{early[0]:.3f} nats a token before any text was served; unigrams of it take {unigram:.3f}"
        return Outcome.quarantine(f"the program knows the text: {why}")
    found = scorer.judge(trial, training.weights[-1])
    if isinstance(found, Outcome):
        return found
    spent = [one - reply.timing.cpu_s[0] for one in reply.timing.cpu_s]
    if trial.params["clock"] == "wall":
        spent = training.wall_s
    return _course(trial, training, [*early, found.loss], spent, found, aim, reply)


def _course(trial: Trial, training: Training, losses, spent, found: scorer.Judgement, aim: float, reply) -> Course:
    """The race, with what the last validation cost in front of each time."""
    forward_s = found.cpu_s if trial.params["clock"] == "cpu" else found.wall_s
    steps = [0, *(step for step, _ in training.plan)]
    points = tuple(Point(*one) for one in zip(steps, losses, (forward_s + one for one in spent), strict=True))
    return Course(
        form="time",
        clock=str(trial.params["clock"]),
        total=steps[-1],
        points=points,
        reached=steps[-1] if found.loss <= aim else None,
        score=points[-1].seconds,
        metrics={
            "train_tokens": float(training.plan[-1][1]),
            "train_s": spent[-1],
            "forward_s": forward_s,
            "setup_s": training.setup_s,
            "peak_memory_mib": reply.usage.memory_mib,
            "loss_at_step_0": losses[0],
            "unshown_gap": found.unshown_gap,
        },
        peak_mib=reply.usage.memory_mib,
        log=reply.log,
        probe_hash=found.probe_hash,
    )
