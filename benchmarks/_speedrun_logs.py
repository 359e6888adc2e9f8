"""Logs in the form of the NanoGPT speedrun, made up: for the benchmark of ``evolve speedrun verify`` and for its tests.

The numbers are drawn, the script in them is a sketch that never ran; what is true of them is their form.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

RULE = "=" * 100
SOURCE = """\
import os
import torch
train_files: str = "data/fineweb10B/fineweb_train_*.bin"
val_files: str = "data/fineweb10B/fineweb_val_*.bin"
val_tokens: int = 10485760
batch_size = 8 * 64 * 1024
model = torch.compile(make_model(), dynamic=False, fullgraph=True)
for step in range(num_iterations + 1):
    if step % val_loss_every == 0:
        model.eval()
        val_loss = sum(model(x, y) for x, y in batches(val_files, val_tokens)) / val_steps
    train(model, next(batches(train_files, batch_size)))
"""


@dataclass(frozen=True, slots=True)
class Made:
    """How a log is to look.  ``total`` is the step count it announces, ``steps`` how many it makes (0: as many)."""

    total: int = 60
    steps: int = 0
    every: int = 10
    decimals: int = 4
    unit: str = "ms"  # or s: then there are validations alone, as on track 3
    source: str = SOURCE
    gpu: str = "NVIDIA H100 80GB HBM3"
    n_gpus: int = 8
    node: int = 1
    started: datetime = datetime(2026, 7, 1, 12)
    seed_line: str = ""


def log_text(loss: float, seconds: float, rng: random.Random, made: Made | None = None) -> str:
    """One run that ends with ``loss`` after ``seconds``."""
    made = made or Made()
    return f"{made.source}\n{RULE}\n{_machine(made)}\n{RULE}\n{trial_text(loss, seconds, rng, made)}"


def trial_text(loss: float, seconds: float, rng: random.Random, made: Made) -> str:
    """The lines of a run."""
    steps = made.steps or made.total
    shares = [rng.uniform(0.9, 1.1) for _ in range(steps)]
    each = [seconds * share / sum(shares) for share in shares]
    clock, lines = 0.0, []
    for step in range(steps + 1):
        if step:
            clock += each[step - 1]
            if made.unit == "ms":
                lines.append(f"step:{step}/{made.total} {_times(clock, step, made.unit)}")
        if step % made.every == 0 or step == steps:
            value = loss if step == steps else loss + 1.5 * (1 - step / steps) ** 1.5 + rng.gauss(0, 0.002)
            lines.append(f"step:{step}/{made.total} val_loss:{value:.{made.decimals}f} {_times(clock, step, made.unit)}")
    if made.unit == "ms":
        lines.append("peak memory allocated: 30220 MiB reserved: 38672 MiB")
    return "\n".join(lines) + "\n"


def _times(clock: float, step: int, unit: str) -> str:
    average = f"{1e3 * clock / step:.2f}" if step else "nan"
    return (
        f"train_time:{clock * 1e3:.0f}ms step_avg:{average}ms" if unit == "ms" else f"train_time:{clock:.3f}s step_avg:{average}ms"
    )


def _machine(made: Made) -> str:
    versions = "Running Python 3.12.3 (main)\nRunning PyTorch 2.10.0+cu128 compiled for CUDA 12.8\nRunning Triton version 3.6.0"
    cards = [
        f"|   {i}  {made.gpu}          On  |   0000000{made.node}:{0x10 + i:02X}:00.0 Off |                    0 |"
        for i in range(made.n_gpus)
    ]
    seed = [made.seed_line] if made.seed_line else []
    return "\n".join([versions, made.started.strftime("%a %b %d %H:%M:%S %Y"), *cards, *seed])


def write_logs(
    folder: Path, losses: Sequence[float], mean_s: float, rng: random.Random, made: Made | None = None, offset: int = 0
) -> list[Path]:
    """A log for each loss, named by uuid, begun two minutes after one another."""
    folder.mkdir(parents=True, exist_ok=True)
    base = made or Made()
    paths = []
    for i, loss in enumerate(losses):
        one = replace(base, started=base.started + timedelta(minutes=2 * i + offset))
        path = folder / f"{uuid.UUID(int=rng.getrandbits(128), version=4)}.txt"
        path.write_text(log_text(loss, rng.gauss(mean_s, 0.05), rng, one), encoding="utf-8")
        paths.append(path)
    return paths
