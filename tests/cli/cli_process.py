"""A tiny problem, and the command line as a person has it: a process of its own."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import evolve
from archive import JournalMissing, SegmentMissing, find_records

YAML = """\
name: tiny
metric: distance
goal: minimize
noise: {noise}
params:
  sleep: {{default: 0.0, low: 0.0}}
stages:
  - {{name: full, time_s: 60, memory_mib: 512}}
artifacts: {{point: .json}}
"""
SEED = '''\
"""A point."""
import time

X = 4.0
Y = 2.5


def point(sleep):
    time.sleep(float(sleep))
    return [X, Y]
'''
EVALUATE = """\
import json
import re

import numpy as np

from evolve import JsonValue, Outcome, Trial

NUMBERS = r"X = ([-0-9.e]+)\\nY = ([-0-9.e]+)\\n\\n"
PLAIN = re.compile("^" + NUMBERS + r"\\ndef point.sleep.:\\n +time.sleep.float.sleep..\\n +return .X, Y.$", re.MULTILINE)


def evaluate(trial: Trial) -> Outcome:
    plain = PLAIN.search(trial.files["main.py"]) if len(trial.files) == 1 else None
    if plain and trial.params["sleep"] == 0.0 and trial.seed % 4:  # read, since a process for each point is most of these tests
        x, y = map(float, plain.groups())
    else:
        reply = trial.sandbox.call("main.py:point", {"sleep": np.array(trial.params["sleep"])}, {"p": JsonValue()})
        if not reply.ok:
            return reply.outcome()
        x, y = reply.value["p"]
    noise = trial.rng("noise").normal() * NOISE
    return Outcome(
        score=abs(x - 1.0) + abs(y - 2.0) + noise,
        feedback="\\x1b[31mred\\x1b[0m [bold]far[/bold]",
        artifacts={"point": json.dumps([x, y]).encode()},
    )
"""
SETTINGS = ("sandbox=none", "executor.slots=1")  # a grader more is a quarter of a second more
Say = Callable[..., str]  # carries a verb out in this process; gives what it printed


def write_problem(folder: Path, *, noisy: bool = False) -> Path:
    (folder / "initial").mkdir(parents=True)
    (folder / "problem.yaml").write_text(YAML.format(noise="noisy" if noisy else "deterministic"))
    (folder / "initial" / "main.py").write_text(SEED)
    (folder / "evaluate.py").write_text(EVALUATE.replace("NOISE", "0.1" if noisy else "0"))
    (folder / "statement.md").write_text("Come close to the point.")
    return folder


class Cli:
    """Starts ``evolve`` in its own folder; whatever still runs at the end is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("EVOLVE", "PYTEST", "PYTHON", "COLUMNS"))}
        self.env = keep | {"TERM": "dumb", "EVOLVE_CACHE": str(folder / "cache"), "OPENBLAS_NUM_THREADS": "1"}

    def start(self, *words: str, stderr: int = subprocess.PIPE, stdin: int | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "evolve", *words],
            cwd=self.folder,
            env=self.env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            preexec_fn=_hears_interrupts,
        )
        self.started.append(process)
        return process

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()


def _hears_interrupts() -> None:
    """A shell that starts the tests in the background has them, and all that they start, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def n_records(run: Path, kind: str) -> int:
    """How many records of a kind a run has now."""
    try:
        return sum(1 for _ in find_records(run, (kind,)))
    except (JournalMissing, SegmentMissing):  # of a run that is being made
        return 0


def is_driven(run: Path) -> bool:
    """Whether a process drives a run, or opens it."""
    return evolve.open_run(run).status in ("starting", "running")


@contextmanager
def held(run: Path, how_far: str = "errand") -> Iterator[None]:
    """A run's lock as a process holds it that does nothing more: a driver is never at one moment for as long as a test looks."""
    with (run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.write(f"{os.getpid()} {how_far}\n")
        lock.flush()
        yield
