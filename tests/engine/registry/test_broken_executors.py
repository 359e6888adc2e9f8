"""An executor of somebody else's package that is none, or goes wrong: one sentence, no folder, and a run that can go on."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from archive import RunClosed, read_journal
from evolve._plugins import PluginBroken
from evolve.config._compose import compose
from evolve.engine._session import resume, start

ROOT = Path(__file__).parents[3]
NUMBERS = count()
WORDS = ["problem=planted", "executor=far", "executor.slots=1", "sandbox=none", "budget.evaluations=6"]
MAKE = "\ndef make(problems, *, slots, tier, sink):\n    return Far(problems, slots=slots, tier=tier, sink=sink)\n"
FAR = "from evolve import LocalExecutor\nclass Far(LocalExecutor):\n    n = 0\n{body}" + MAKE
IDLE = """
class Far:
    slots = room = 1
    pending = 0
    def __init__(self, *args, **named): pass
    def submit(self, block): pass
    def cancel(self, attempt): pass
    def close(self, *, drain): pass
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Puts a package with the executor ``far`` where Python finds it; called again, it is another version of it."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(text: str) -> None:
        module = f"executors_{next(NUMBERS)}"  # no module of another test's
        (tmp_path / f"{module}.py").write_text(text)
        info = tmp_path / "theirs-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[evolve.executors]\nfar = {module}:make\n")
        importlib.invalidate_caches()

    return make


def body(method: str, *, after: int, what: str) -> str:
    """A method of the engine's own executor that does something else from its call number ``after`` on."""
    call = f"super().{method.partition('(')[0]}({'block' if 'block' in method else 'drain=drain'})"
    lines = [f"def {method}:", "    self.n += 1", f"    if self.n > {after}:", f"        {what}", f"    return {call}"]
    return "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def make(problems, **more): return 7", "what it makes (7) has no submit"),
        ("def make(problems, **more): return None", "what it makes (None) has no submit"),
        ("def make(problems, **more): raise KeyError('no host')", "KeyError: 'no host'"),
        ("def make(problems): pass", "TypeError: make() got an unexpected keyword argument"),
        *((IDLE.replace(f"def {name}(", f"def not_{name}(") + MAKE, f"has no {name}") for name in ("submit", "cancel", "close")),
        (IDLE.replace("slots = room", "slots") + MAKE, "has no room"),
        (IDLE.replace("slots = room", "room") + MAKE, "has no slots"),
        (IDLE.replace("pending = 0", "") + MAKE, "has no pending"),
        (IDLE.replace("pending = 0", "pending = 'none'") + MAKE, "pending is to be a whole number from 0, and it is 'none'"),
        (IDLE.replace("pending = 0", "pending = -1") + MAKE, "pending is to be a whole number from 0, and it is -1"),
        (IDLE.replace("pending = 0", "pending = property(lambda self: 1 // 0)") + MAKE, "pending raised ZeroDivisionError"),
        (IDLE.replace("drain): pass", "drain): raise OSError('gone\\nfar')") + MAKE, "close raised OSError: gone far"),
    ],
)
def test_one_that_is_none_is_a_sentence_before_a_run_is_made(package, tmp_path, text, why):
    package(text)
    with pytest.raises(PluginBroken) as caught:
        start(compose([*WORDS, f"out={tmp_path / 'run'}"]))
    words = str(caught.value)
    assert words.startswith("the executor far of the package theirs 1.0 cannot be used: ")
    assert why in words
    assert words.endswith("; type: pip install --upgrade theirs, or leave far out")
    assert "\n" not in words
    assert not (tmp_path / "run").exists()


def test_it_is_a_sentence_and_exit_3_on_the_command_line(package, tmp_path):
    package("def make(problems, **more): return 7")
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", "evolve", "run", *WORDS], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
    assert done.stderr.startswith("evolve: the executor far of the package theirs 1.0 cannot be used: an executor has the numbers")
    assert not (tmp_path / "runs").exists()


REPORT = "from evolve.execute import EntryReport; from archive import Measurement, Status; self._sink({what}); return"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (body("submit(self, block)", after=2, what="raise KeyError('host')"), "submit raised KeyError: 'host'"),
        pytest.param(
            body("submit(self, block)", after=2, what="raise SystemExit(4)"),
            "submit raised SystemExit: 4",
            marks=pytest.mark.slow,
        ),
        (
            "    def submit(self, block):\n        self.n += 1\n        return super().submit(block)\n"
            "    @property\n    def room(self):\n        if self.n > 1: raise OSError('no\\nroute')\n        return 1\n",
            "room raised OSError: no route",
        ),
        (body("submit(self, block)", after=2, what=REPORT.format(what="5")), "it reported 5"),
        (
            body("submit(self, block)", after=2, what=REPORT.format(what="EntryReport(block.attempt, 99, None)")),
            "it reported entry 99 of a block of 1 as NoneType",
        ),
        (
            body(
                "submit(self, block)",
                after=2,
                what=REPORT.format(what="EntryReport(block.attempt, 0, Measurement('x', 'y', 0, Status.OK, score=1.0))"),
            ),
            "it reported a measurement of ('x', 'y', 0) where",
        ),
    ],
)
def test_one_that_goes_wrong_ends_the_run_as_failed_and_it_goes_on_once_it_is_mended(package, tmp_path, text, why):
    package(FAR.format(body=text))
    path = tmp_path / "run"
    with pytest.raises(PluginBroken) as caught:
        start(compose([*WORDS, f"out={path}"]))
    words = str(caught.value)
    assert words.startswith("the executor far of the package theirs 1.0 cannot be used: ")
    assert why in words
    assert words.endswith(f"; nothing is lost, and the run goes on with: evolve resume {path}")
    (closed,) = [one.record for one in read_journal(path) if isinstance(one.record, RunClosed)]
    assert (closed.status, why in closed.reason) == ("failed", True)
    package(FAR.format(body=""))
    done = resume(path)
    assert (done.status, done.measurements) == ("done", 6)


def test_one_that_cannot_be_closed_at_the_end_takes_nothing_from_what_the_run_came_to(package, tmp_path):
    path = tmp_path / "run"
    package(FAR.format(body=""))
    start(compose([*WORDS, f"out={path}"]))
    package(FAR.format(body=body("close(self, *, drain)", after=0, what="super().close(drain=drain); raise OSError('gone')")))
    with pytest.raises(PluginBroken, match=re.escape("close raised OSError: gone")):
        resume(path, {"evaluations": 8})
    *_, closed = [one.record for one in read_journal(path) if isinstance(one.record, RunClosed)]
    assert (closed.status, closed.reason) == ("done", "budget.evaluations")
