"""``form=steps``: data, their order, batch and model are the grader's, who makes one forward and one backward pass a step.

The candidate is the optimizer: one process of it answers calls of ``train.py:update`` one after another, and sees no text at all.

    setup     the weights to begin with, drawn from its seed, and how many steps it will make
    step      the gradient at the weights that it gave last; gives those at which it wants the next
    validate  every ``validate_every`` steps and at the end: gives the weights that count, which may be an average

The score is the first step with a validation at or below the target.  A run goes on to the end that was said, so that all runs of a
program have validated at the same steps.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import data
import numpy as np
from course import Course, Point

from evolve import Array, JsonValue, Outcome, Status, Trial

ALIKE = 0.1  # of their length: by how much weights to begin with must differ from those of another seed
Vector = np.ndarray


@dataclass
class Stepping:
    """Makes up the calls and keeps what came back: see ``evolve.Trial.sandbox.converse``.

    ``gradient`` is that of a step at weights, ``loss`` the validation of weights.
    """

    setup: Mapping[str, object]
    gradient: Callable[[Vector, int], Vector]
    loss: Callable[[Vector], float]
    most_steps: int
    every: int
    phase: str = "setup"
    total: int = 0
    at: int = 0
    n_calls: int = 0
    first: Vector | None = None
    weights: Vector | None = None
    validated: list[tuple[int, float, int]] = field(default_factory=list)  # step, loss, and in which call
    fault: str = ""

    def __call__(self, answer: Mapping[str, object] | None, seconds: float) -> Mapping[str, object] | None:
        if answer is None:
            return self.setup
        self.n_calls += 1
        if self.phase == "setup":
            self.first = self.weights = answer["weights"]
            self.total = answer["total"]
            if type(self.total) is not int or not 1 <= self.total <= self.most_steps:
                said = json.dumps(self.total)[:60]
                self.fault = f"expected a total of 1 to {self.most_steps} steps (problem.params.most_steps), found {said}"
                return None
            return self._call("validate")
        if self.phase == "validate":
            self.validated.append((self.at, self.loss(answer["weights"]), self.n_calls - 1))
            return self._next_step() if self.at < self.total else None
        self.weights = answer["weights"]
        due = self.at == self.total or self.at % self.every == 0
        return self._call("validate") if due else self._next_step()

    def _next_step(self) -> Mapping[str, object]:
        gradient = self.gradient(self.weights, self.at)
        self.at += 1
        return self._call("step", gradient)

    def _call(self, phase: str, gradient: Vector | None = None) -> Mapping[str, object]:
        self.phase = phase
        empty = np.zeros(0, np.float32)
        return {**self.setup, "phase": phase, "step": self.at, "gradient": empty if gradient is None else gradient}


def race(trial: Trial, aim: float) -> Course | Outcome:
    import model
    import torch

    torch.set_num_threads(1)
    vocabulary, rows = int(trial.params["vocabulary"]), data.scored_rows(trial)
    returns = {"weights": Array("float32", (model.size(vocabulary),)), "total": JsonValue(max_bytes=64)}
    batches = draw_batches(trial)
    stepping = Stepping(
        setup=setup_call(trial, "training", model.shapes(vocabulary)),
        gradient=lambda weights, step: model.gradient(weights, batches[step % len(batches)], vocabulary),
        loss=lambda weights: model.loss(weights, rows, vocabulary),
        most_steps=int(trial.params["most_steps"]),
        every=int(trial.params["validate_every"]),
    )
    reply = trial.sandbox.converse("train.py:update", stepping, returns, most_calls=4 * int(trial.params["most_steps"]))
    if stepping.fault:
        return Outcome.fail(Status.INVALID, stepping.fault)
    if not reply.ok:
        return reply.outcome()
    other = trial.sandbox.call("train.py:update", setup_call(trial, "another", model.shapes(vocabulary)), returns)
    if not other.ok:
        return other.outcome()
    if alike(stepping.first, other.value["weights"]):
        return Outcome.fail(Status.REJECTED, "the weights to begin with are not drawn from the seed: two seeds gave the same")
    return _course(trial, stepping, aim, reply)


def alike(a: Vector, b: Vector) -> bool:
    """Whether two vectors of weights are one but for a little noise."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return bool(np.linalg.norm(a - b) <= ALIKE * max(np.linalg.norm(a), np.linalg.norm(b)))


def setup_call(trial: Trial, purpose: str, shapes: Mapping[str, tuple[int, int]]) -> dict[str, object]:
    """The first call of a process."""
    return {
        "phase": "setup",
        "step": 0,
        "gradient": np.zeros(0, np.float32),
        "seed": int(trial.rng(purpose).integers(1 << 31)),
        "shapes": {name: list(shape) for name, shape in shapes.items()},
    }


def draw_batches(trial: Trial) -> np.ndarray:
    """(steps, rows, context + 1): the batch of each step."""
    stream = data.training(trial)
    context, rows = int(trial.params["context"]), int(trial.params["batch_rows"])
    count = (len(stream) - 1) // (context * rows) * rows
    if not count:
        raise ValueError(f"one batch is {context * rows} tokens, and there are {len(stream)}; lower batch_rows or context")
    at = np.arange(count)[:, None] * context + np.arange(context + 1)
    return stream[at].reshape(-1, rows, context + 1)


def _course(trial: Trial, stepping: Stepping, aim: float, reply) -> Course:
    cpu_s = reply.timing.cpu_s
    points = tuple(Point(step, loss, cpu_s[call] - cpu_s[0]) for step, loss, call in stepping.validated)
    reached = next((point.step for point in points if point.loss <= aim), None)
    batch = int(trial.params["batch_rows"]) * int(trial.params["context"])
    return Course(
        form="steps",
        clock="cpu",
        total=stepping.total,
        points=points,
        reached=reached,
        score=float(stepping.total if reached is None else reached),
        metrics={
            "train_tokens": float(batch * stepping.total),
            "train_s": points[-1].seconds,
            "forward_s": 0.0,
            "setup_s": cpu_s[0],
            "peak_memory_mib": reply.usage.memory_mib,
            "loss_at_step_0": points[0].loss,
            "unshown_gap": 0.0,
        },
        peak_mib=reply.usage.memory_mib,
        log=reply.log,
    )
