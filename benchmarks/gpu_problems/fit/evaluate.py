"""Scores the weights that a candidate fits, on points that it has not seen."""

import numpy as np

from evolve import Array, JsonValue, Outcome, Trial


def evaluate(trial: Trial) -> Outcome:
    rng = np.random.default_rng(7)
    seen, unseen = rng.uniform(-1, 1, 200), rng.uniform(-1, 1, 200)
    args = {"x": seen, "y": np.sin(3 * seen)}
    reply = trial.sandbox.call("main.py:fit", args, {"weights": Array("float64", (8,)), "device": JsonValue()})
    if not reply.ok:
        return reply.outcome()
    guessed = sum(weight * unseen**k for k, weight in enumerate(reply.value["weights"]))
    error = float(np.mean((guessed - np.sin(3 * unseen)) ** 2))
    return Outcome(score=error, metrics={"on_gpu": float(reply.value["device"] == "cuda")})
