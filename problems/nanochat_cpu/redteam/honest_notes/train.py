"""A bigram model that keeps its table in a file, for whichever process comes next: a note about weights is none about rows."""

import os
import tempfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np

INPUT = Path(os.environ.get("EVOLVE_INPUT", "/input"))
OUTPUT = Path(os.environ.get("EVOLVE_OUTPUT", "/output"))
V = 1024


def train():
    tokens = np.fromfile(INPUT / "train.bin", dtype=np.uint16).astype(np.int64)
    pairs = np.bincount(tokens[:-1] * V + tokens[1:], minlength=V * V).reshape(V, V)
    np.savez(OUTPUT / "weights.npz", pairs=pairs.astype(np.uint16), counts=np.bincount(tokens, minlength=V))


@cache
def table():
    """Log-probability of the next token, (V, V): bigrams smoothed with unigrams."""
    kept = Path(tempfile.gettempdir()) / f"table-{zlib.crc32((INPUT / 'weights.npz').read_bytes()):08x}.npy"
    if kept.exists():
        return np.load(kept)
    with np.load(INPUT / "weights.npz") as weights:
        pairs, counts = weights["pairs"].astype(np.float64), weights["counts"] + 1.0
    smooth = 32.0 * counts / counts.sum()
    made = np.log((pairs + smooth) / (pairs.sum(1, keepdims=True) + 32.0)).astype(np.float32)
    np.save(kept, made)
    return made


def forward(tokens):
    return table()[tokens]


if __name__ == "__main__":
    train()
