"""More weights than may be kept."""

import os
from pathlib import Path

import numpy as np

INPUT = Path(os.environ.get("EVOLVE_INPUT", "/input"))
OUTPUT = Path(os.environ.get("EVOLVE_OUTPUT", "/output"))
V = 1024


def train():
    np.savez(OUTPUT / "weights.npz", ballast=np.random.default_rng(0).integers(0, 256, 9 << 20, dtype=np.uint8))


def forward(tokens):
    return np.zeros((*tokens.shape, V), dtype=np.float32)


if __name__ == "__main__":
    train()
