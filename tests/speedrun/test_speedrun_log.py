"""Reading one log: what is source, what was printed, what is no log."""

from __future__ import annotations

import random
from datetime import datetime

import pytest
from _speedrun_logs import RULE, SOURCE, Made, log_text, trial_text

from evolve.speedrun import verify
from evolve.speedrun._log import parse_log


def made(made: Made | None = None, loss: float = 3.2775) -> str:
    return log_text(loss, 79.0, random.Random(1), made)


def test_a_log_is_its_source_its_machine_and_its_lines():
    log = parse_log("a.txt", made(Made(seed_line="Using seed=4")))
    assert log.source.strip() == SOURCE.strip()
    assert (log.machine.gpu, log.machine.n_gpus) == ("NVIDIA H100 80GB HBM3", 8)
    assert len(set(log.machine.addresses)) == 8
    assert log.machine.started == datetime(2026, 7, 1, 12)
    assert log.machine.versions == (("python", "3.12.3"), ("pytorch", "2.10.0+cu128"), ("triton", "3.6.0"))
    (trial,) = log.trials
    assert (trial.seed, trial.total, trial.last_step, trial.end.loss(), log.problem) == ("4", 60, 60, "3.2775", "")
    assert [line.step for line in trial.validations] == [0, 10, 20, 30, 40, 50, 60]


def test_numbers_stay_as_they_were_printed():
    line = parse_log("a.txt", made(loss=3.2780)).trials[0].end
    assert line.loss() == "3.2780"
    assert line.time.isdigit()
    assert line.seconds == pytest.approx(79.0)


def test_several_trials_of_one_file_are_told_apart():
    form = Made(total=200, every=50, decimals=5, unit="s")
    text = made(form) + trial_text(3.279, 80.0, random.Random(2), form)
    log = parse_log("a.txt", text)
    assert [trial.end.loss() for trial in log.trials] == ["3.27750", "3.27900"]
    assert log.trials[0].end.seconds == pytest.approx(79.0)


def test_seeds_go_to_their_trials():
    form = Made(total=200, every=50, decimals=5, unit="s")
    trials = [f"trial:{i}/2 seed:{i + 6}\n" + trial_text(3.279, 80.0, random.Random(i), form) for i in (1, 2)]
    log = parse_log("a.txt", f"{SOURCE}\n{RULE}\nRunning PyTorch 2.11.0\n{RULE}\n{''.join(trials)}")
    assert [trial.seed for trial in log.trials] == ["7", "8"]


def test_a_package_of_several_files_is_one_source():
    second = f"\n{'-' * 40}\n# package/data.py\n{'-' * 40}\n\n{RULE}\nVALUE = 1\n"
    log = parse_log("a.txt", made(Made(source=SOURCE + second)))
    assert "VALUE = 1" in log.source
    assert log.machine.n_gpus == 8


def test_line_ends_and_trailing_blanks_do_not_make_another_source():
    ours = parse_log("a.txt", made())
    theirs = parse_log("b.txt", made(Made(source=SOURCE.replace("\n", "  \n"))).replace("\n", "\r\n"))
    assert ours.source_hash == theirs.source_hash
    assert theirs.trials == ours.trials


@pytest.mark.parametrize(
    ("name", "text"),
    [("requirements.txt", "numpy==2.1\ntorch==2.10\n"), ("metadata.txt", "host=box\n")],
)
def test_what_is_no_log_is_none(name, text):
    assert parse_log(name, text) is None


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.txt", "", "has no line"),
        ("a.txt", SOURCE, "ends within its source"),
        ("1d7c6c03-846f-4dc8-9809-dcb1e42496da.log", "s:1 trl:4.2\n", "has no line"),
        ("a.txt", made().replace("step:31/60 train_time:", "step:31/60 tr:"), "1 of its step lines is cut"),
        ("a.txt", made()[:-60], "1 of its step lines is cut"),
    ],
)
def test_a_broken_log_says_why(name, text, why):
    assert why in parse_log(name, text).problem


def test_other_losses_of_a_line_are_kept_by_name():
    log = parse_log("a.txt", made().replace("val_loss:3.2775", "val_loss:3.2775 val_ema_loss:3.2760"))
    assert log.trials[0].end.loss("val_ema_loss") == "3.2760"
    assert log.trials[0].end.loss("val_other_loss") == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("Wed Jul 01", "Wed Jul 31").replace("Jul", "Jun"),
        lambda text: text.replace("val_loss:3.2775", "val_loss:3.2.7"),
        lambda text: text.replace("train_time:79000", "train_time:7.9.0"),
        lambda text: text.replace("step:60/60", f"step:{'9' * 5000}/60"),
        lambda text: text.replace("10485760", "9" * 5000),
        lambda text: text.replace("import os", "import os\x00"),
        lambda text: text.replace("import os", "(" * 5000),
        lambda text: "| 1 " + " a" * 50_000 + "\n" + text,
        lambda text: text.encode("utf-16").decode("utf-8", "replace"),
    ],
)
def test_what_nobody_would_print_is_read_too(change, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(made())
    (tmp_path / "c.txt").write_text(change(made()))
    assert verify(tmp_path).sample.n >= 2


def test_a_text_without_an_end_is_read_in_time(tmp_path):
    (tmp_path / "a.txt").write_text(made())
    (tmp_path / "README.md").write_text("[" * 20_000 + "a pure systems change " * 5_000 + "n = " + "9" * 50_000)
    assert verify(tmp_path).sample.n == 1
