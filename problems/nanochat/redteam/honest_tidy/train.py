"""Takes a second to give its weights, and has learnt nothing in it."""

import io
import os
import time
from functools import cache
from pathlib import Path

import numpy as np

INPUT = Path(os.environ.get("EVOLVE_INPUT", "/input"))
STATE = {}


def turn(phase, tokens, spent, seed, sizes):
    if phase == "setup":
        V = sizes["vocabulary"]
        STATE.update(V=V, pairs=np.zeros(V * V, np.int64), counts=np.zeros(V, np.int64))
    if phase == "train":
        V = STATE["V"]
        STATE["pairs"] += np.bincount(tokens[:-1].astype(np.int64) * V + tokens[1:], minlength=V * V)
        STATE["counts"] += np.bincount(tokens, minlength=V)
        return {"weights": np.zeros(0, np.uint8), "loss": 0.0}
    if phase == "finish":
        time.sleep(1)
    return {"weights": weights(), "loss": 0.0}


def weights():
    file = io.BytesIO()
    np.savez(file, pairs=STATE["pairs"].reshape(STATE["V"], -1).astype(np.uint32), counts=STATE["counts"])
    return np.frombuffer(file.getvalue(), np.uint8)


@cache
def table():
    """Log-probability of the next token, (V, V): bigrams smoothed with unigrams."""
    with np.load(INPUT / "weights.bin") as found:
        pairs, counts = found["pairs"].astype(np.float64), found["counts"] + 1.0
    smooth = 32.0 * counts / counts.sum()
    return np.log((pairs + smooth) / (pairs.sum(1, keepdims=True) + 32.0)).astype(np.float32)


def forward(tokens, last):
    logits = table()[tokens]
    return logits[:, -1:] if last else logits
