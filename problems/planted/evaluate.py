"""Reads a point's true value with noise that is a function of the measurement's seed and the candidate's files."""

import hashlib
import json
import math

import numpy as np
from planted_truth import value

from evolve import JsonValue, Outcome, Status, Trial

LARGEST = 1e6


def evaluate(trial: Trial) -> Outcome:
    dimension = trial.params["dimension"]
    reply = trial.sandbox.call("main.py:point", {"dimension": dimension}, {"point": JsonValue()})
    if not reply.ok:
        return reply.outcome()
    point = reply.value["point"]
    if not is_point(point, dimension):
        return Outcome.fail(Status.INVALID, f"point({dimension}) must return {dimension} numbers of at most {LARGEST:g} in size")
    reading = value(point, trial.params) + noise(trial)
    return Outcome(
        score=reading,
        descriptors={"mean": float(np.mean(point)), "spread": float(np.std(point))},
        feedback=f"One noisy reading: {reading:.4g}.",
        artifacts={"point": json.dumps(point).encode()},
    )


def is_point(point: object, dimension: int) -> bool:
    if not isinstance(point, list) or len(point) != dimension:
        return False
    return all(isinstance(x, int | float) and not isinstance(x, bool) and abs(x) <= LARGEST for x in point)


def noise(trial: Trial) -> float:
    """Mean zero over seeds; variance sd^2 (times the candidate's own factor) plus that of the drift."""
    params = trial.params
    program = hash_of(trial.files)
    shared = draw(trial.rng("shared"), params)
    own = draw(trial.rng(f"own {program:x}"), params)
    mixed = math.sqrt(params["pair_corr"]) * shared + math.sqrt(1.0 - params["pair_corr"]) * own
    factor = math.exp(params["unequal_variance"] * (2.0 * program / 2**64 - 1.0))
    drift = params["drift"] * (2.0 * trial.seed / 2**63 - 1.0)
    return params["sd"] * factor * mixed + drift


def draw(rng: np.random.Generator, params) -> float:
    """One number of mean 0 and variance 1, with the tails and the skewness asked for."""
    z = rng.standard_t(4) / math.sqrt(2.0) if params["tails"] == "t4" else rng.standard_normal()
    skew = params["skew"]
    return (z + skew * (rng.standard_exponential() - 1.0)) / math.sqrt(1.0 + skew * skew)


def hash_of(files) -> int:
    """64 bits of the candidate's files."""
    text = json.dumps(dict(files), sort_keys=True).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
