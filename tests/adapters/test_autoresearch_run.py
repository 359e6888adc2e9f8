"""Checkouts are run in the sandbox: what they print is read, timed from outside, and no more believed than it must be."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoresearch_forms import EXTRA_KEYS, TRAIN, WIDE, write_checkout, write_data

import evolve
from archive import Measurement, Status


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Measures a checkout with this script."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write_data(tmp_path / "home")

    def call(train: str = TRAIN, *, n: int = 1, untimed: float = 120.0, **forms: str) -> list[Measurement]:
        problem = evolve.load_problem(write_checkout(tmp_path / f"co{len(list(tmp_path.iterdir()))}", **forms), untimed_s=untimed)
        return evolve.measure(problem, {"train.py": train}, n=n)

    return call


def test_a_checkout_trains_and_its_summary_is_read(measured) -> None:
    first, second = measured(TRAIN + EXTRA_KEYS, n=2, command="uv run train.py --device cpu")
    assert (first.status, second.status, first.tier) == (Status.OK, Status.OK, "strict")
    assert 0.2 < first.score < 8.0
    assert first.score != second.score  # 42 was replaced
    assert first.probe_hash != second.probe_hash
    assert first.metrics["num_steps"] > 10
    assert first.metrics["measured_total_s"] > first.metrics["training_seconds"] >= 0.9
    assert "peak_vram_mb" not in first.metrics  # 0 is unknown
    assert "note: a line: with colons" in first.feedback


SUMMARY = 'print("---")\nprint("val_bpb: 1.5")\nprint("training_seconds: 1.0")\nprint("num_steps: 50")\n'


@pytest.mark.parametrize(("train", "status", "words"), [
    ("raise ValueError('too large')\n", Status.CRASH, "ended with status 1: ValueError: too large"),
    ("print('val_bpb: 1.0')\n", Status.CRASH, "no summary with val_bpb"),
    (SUMMARY.replace("1.5", "nan"), Status.CRASH, "val_bpb is nan"),
    (SUMMARY.replace("50", "7"), Status.INVALID, "7 steps"),
    (SUMMARY.replace("seconds: 1.0", "seconds: 3.2"), Status.INVALID, "trained for 3.2 s"),
    (SUMMARY.replace("seconds: 1.0", "seconds: 3.0"), Status.INVALID, "and the whole run took"),
    ("import time\ntime.sleep(4)\n" + SUMMARY, Status.INVALID, "went beside the training; 2 s are allowed"),
    ("import time\nprint('step 00011', flush=True)\ntime.sleep(3.5)\nprint('step 00012', flush=True)\n" + SUMMARY,
     Status.INVALID, "trained for 3."),
    (SUMMARY + "open('prepare.py', 'a').write('# changed')\n", Status.REJECTED, "prepare.py is another file"),
    (SUMMARY.replace("1.5", "0.1"), Status.REJECTED, "below the floor"),
    ("import pathlib\nnext(pathlib.Path.home().glob('.cache/autoresearch/data/*')).write_bytes(b'')\n" + SUMMARY,
     Status.CRASH, "Read-only file system"),
])  # fmt: skip
def test_what_does_not_count(measured, train: str, status: Status, words: str) -> None:
    (found,) = measured(train, untimed=2.0)
    assert (found.status, words in found.reason) == (status, True), found.reason


def test_who_prints_a_score_is_believed_only_with_the_caveat(measured) -> None:
    """What upstream's form cannot see; the contract says so beside every score."""
    assert measured(SUMMARY)[0].status is Status.OK


def test_the_table_of_a_checkout_goes_on_with_a_row_for_each_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write_data(tmp_path / "home")
    checkout = write_checkout(tmp_path / "co", results=WIDE)
    run = evolve.create_run(
        str(checkout), out=tmp_path / "run", budget=evolve.Budget(evaluations=3), policy="fixed_candidates", slots=1
    )
    ticket = run.ask()
    run.tell(ticket, {"train.py": f"raise ValueError\n{TRAIN}"}, summary="stop at\tonce", hypothesis="why not")
    run.optimize()
    found = (tmp_path / "run" / "results.tsv").read_bytes()
    assert found.startswith(WIDE.encode())
    columns = WIDE.splitlines()[0].split("\t")
    first, second = (
        dict(zip(columns, line.split("\t"), strict=True)) for line in found[len(WIDE.encode()) :].decode().splitlines()
    )
    assert first["commit"] == run.candidate("initial").id[:7]
    assert 0.2 < float(first["val_bpb"]) < 8.0
    assert (first["status"], second["status"], second["val_bpb"]) == ("keep", "crash", "0.000000")
    assert (second["description"], second["hypothesis"]) == ("stop at once", "why not")
    assert float(first["num_steps"]) > 10
    assert (checkout / "results.tsv").read_text() == WIDE
