"""A problem that takes no time, as a folder."""

from __future__ import annotations

from pathlib import Path

YAML = """
name: parabola
metric: height
goal: maximize
noise: {noise}
stages:
  - {{name: full, time_s: 60, memory_mib: 512}}
"""
INITIAL = "X = 0.25\nY = 0.75\n\n\ndef point():\n    return [X, Y]\n"
EVALUATE = """
import time

from evolve import JsonValue, Outcome


def evaluate(trial):
    reply = trial.sandbox.call("main.py:point", {}, {"point": JsonValue()})
    if not reply.ok:
        return reply.outcome()
    x, y, *said = reply.value["point"]
    time.sleep(SLEEP_S)
    noise = 0.01 * trial.rng().standard_normal() if NOISY else 0.0
    return Outcome(score=-((x - 0.5) ** 2) - (y - 0.5) ** 2 + noise, feedback=" ".join(map(str, said)))
"""


def parabola(folder: Path, *, noisy: bool = False, initial: str = INITIAL, sleep_s: float = 0.0) -> Path:
    """The problem's folder; ``sleep_s`` is how long each measurement takes."""
    problem = folder / "parabola"
    (problem / "initial").mkdir(parents=True)
    (problem / "problem.yaml").write_text(YAML.format(noise="noisy" if noisy else "deterministic"))
    (problem / "evaluate.py").write_text(EVALUATE.replace("NOISY", str(noisy)).replace("SLEEP_S", str(sleep_s)))
    (problem / "initial" / "main.py").write_text(initial)
    return problem
