"""The folder of a run: who may take it, what a start that came to nothing leaves, and its lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from evolve._errors import RunLocked, UsageError
from evolve.runs._folder import RunDir, RunLock, create, is_driven


def test_looking_whether_a_run_is_driven_keeps_nobody_from_driving_it(tmp_path):
    run, over = RunDir(tmp_path, "x"), threading.Event()
    RunLock(run).release()

    def look():
        while not over.wait(0.001):
            is_driven(run)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(200):
            RunLock(run).release()
    finally:
        over.set()
        for looker in lookers:
            looker.join()
    with RunLock(run), pytest.raises(RunLocked, match=str(os.getpid())):
        RunLock(run)


def test_a_start_that_was_killed_before_its_first_record_is_started_anew_in_the_same_folder(parabola, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from evolve.runs._folder import RunLock, create\n"
        "with create(sys.argv[1], 'parabola') as run, RunLock(run):\n"
        "    run.problem.mkdir()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert parabola(evaluations=10).optimize().measurements == 10
    with pytest.raises(UsageError, match="exists and is not empty"):
        parabola(evaluations=10)


def test_the_folder_of_a_start_that_still_goes_on_is_not_taken(tmp_path: Path) -> None:
    with create(str(tmp_path / "run"), "p") as run, RunLock(run):
        with pytest.raises(UsageError, match="exists and is not empty"), create(str(tmp_path / "run"), "p"):
            pass
        assert (run.path / "run.json").exists()


def test_files_of_others_are_never_removed_with_a_start(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), create(str(tmp_path / "run"), "p") as run:
        (run.path / "mine.txt").write_text("x")
        raise KeyboardInterrupt
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]
