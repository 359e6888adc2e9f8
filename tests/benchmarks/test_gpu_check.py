"""The check of GPUs does what it says, on a machine whose GPUs are none."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpu_stand_in import Card, StandIn, needs_compiler

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import gpu_check

from evolve.evaluate.isolation._gpu import GpuDriver
from evolve.execute import _gpu_locks

pytestmark = needs_compiler


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[gpu_check.Machine]:
    monkeypatch.setattr(_gpu_locks, "FOLDER", tmp_path / "locks")  # other tests have cards of the same names
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        driver = StandIn(Path(folder), [Card(0), Card(1)]).driver
        yield gpu_check.Machine(driver, driver.visible(), Path(folder), torch=False)


def test_cards_are_hidden_and_nothing_else_is_found(machine: gpu_check.Machine) -> None:
    assert "no node" in gpu_check.hidden(machine)
    assert gpu_check.hostile(machine).startswith("nvidia0 and nothing else")


def test_what_is_timed_has_its_card_alone_and_too_many_are_refused(machine: gpu_check.Machine) -> None:
    assert gpu_check.alone(machine).startswith("5 candidates on 2 cards")
    assert "needs 3 GPUs, this machine has 2" in gpu_check.refused(machine)


def test_two_at_once_on_one_card_would_be_seen(machine: gpu_check.Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = [gpu_check.Span(0.0, 1.0, frozenset({"card0"}), False), gpu_check.Span(0.5, 2.0, frozenset({"card0"}), True)]
    monkeypatch.setattr(gpu_check, "_executed", lambda *words, **more: spans)
    with pytest.raises(AssertionError, match="at the same time"):
        gpu_check.alone(machine)


def test_what_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    driver = GpuDriver(root=str(tmp_path))
    nobody = gpu_check.Machine(driver, driver.visible(), tmp_path, torch=False)
    lines = [gpu_check._tried(what, check, nobody) for what, check in gpu_check.CHECKS[2:]]
    assert [line.result for line in lines] == ["not seen", "not seen", "not seen", "ok", "not seen"]
    text = gpu_check._report(lines, nobody)
    assert "Not seen: CUDA runs in a sandbox that has the card; " in text
    assert "GPUs: none." in text
