"""Track 3: steps instead of seconds, several trials in a file, the earliest step at which all of them pass."""

from __future__ import annotations

import re

import pytest
from _speedrun_logs import SOURCE, Made, write_logs
from speedrun_folders import GOOD

from evolve.speedrun import verify

STEPS = Made(total=3000, every=100, decimals=5, unit="s")


def test_a_good_record_of_steps(trials):
    report = verify(trials(GOOD, text="Eight runs (n = 8), mean 3.27795 at step 3,000.").path)
    verdicts = {check.name: check.verdict for check in report.checks}
    assert {name for name, verdict in verdicts.items() if verdict != "holds"} == {"pairwise", "validation"}
    assert report.track == 3
    assert report.ok
    assert report.sample.n == 8


def test_the_target_is_a_margin_at_the_earliest_common_step(trials):
    folder = trials(GOOD)
    margin = (3.28 - sum(GOOD) / 8) * 8**0.5
    assert (
        f"step 3,000 is the earliest at which all 8 runs together pass: mean 3.27795, margin {margin:.5f}"
        in folder.check("target").reason
    )
    check = trials(tuple(loss + 0.001 for loss in GOOD)).check("target")
    assert (check.verdict, "has a margin of 0.004" in check.reason) == ("fails", True)


def test_another_readout_that_passes_is_told_of(trials):
    folder = trials(tuple(loss + 0.001 for loss in GOOD))
    text = folder.logs[0].read_text()
    folder.logs[0].write_text(
        re.sub(r"val_loss:(\S+)", lambda found: f"{found[0]} val_ema_loss:{float(found[1]) - 0.002:.5f}", text)
    )
    check = folder.check("target")
    assert (check.verdict, "by val_ema_loss step 3,000 does" in check.reason) == ("cannot be told", True)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("It takes 3,000 steps.", "holds"), ("It takes 2900 steps.", "fails"), ("Faster.", "cannot be told")],
)
def test_the_step_of_the_text_is_one_that_passes(trials, text, verdict):
    assert trials(GOOD, text=text).check("claimed step").verdict == verdict


def test_runs_that_stop_by_themselves_fail(trials):
    folder = trials(GOOD)
    text = folder.logs[0].read_text()
    start = text.rindex("step:2500/3000")
    folder.logs[0].write_text(text[:start])
    check = folder.check("complete")
    assert (check.verdict, "1 at 2,400, 7 at 3,000" in check.reason) == ("fails", True)


def test_runs_that_end_apart_after_they_passed_cannot_be_told(trials):
    folder = trials(tuple(loss - 0.02 for loss in GOOD))
    text = re.sub(r"step:2900/3000 val_loss:\S+", "step:2900/3000 val_loss:3.26000", folder.logs[0].read_text())
    folder.logs[0].write_text(text[: text.rindex("step:3000/3000")])
    check = folder.check("complete")
    assert (check.verdict, "1 at 2,900" in check.reason) == ("cannot be told", True)


def test_a_rounded_margin_cannot_be_told(trials):
    losses = (3.2785, 3.2786) * 4
    check = trials(losses, made=Made(total=3000, every=100, decimals=4, unit="s")).check("rounding")
    assert check.verdict == "cannot be told"
    assert trials(GOOD).check("rounding").verdict == "holds"


def test_another_batch_fails(trials):
    source = SOURCE.replace("8 * 64 * 1024", "16 * 64 * 1024")
    check = trials(GOOD, made=Made(total=3000, every=100, decimals=5, unit="s", source=source)).check("data")
    assert (check.verdict, "batch_size is 1,048,576" in check.reason) == ("fails", True)


@pytest.mark.parametrize(("line", "verdict"), [("import their_optimizer", "fails"), ("from math import sqrt", "holds")])
def test_an_optimizer_that_is_imported_fails(trials, line, verdict):
    made = Made(total=3000, every=100, decimals=5, unit="s", source=f"{SOURCE}{line}\n")
    assert trials(GOOD, made=made).check("inlined").verdict == verdict


@pytest.mark.parametrize(("steps", "verdict"), [(3200, "holds"), (3010, "cannot be told")])
def test_a_result_is_better_than_another_by_steps_and_loss(trials, tmp_path, steps, verdict):
    folder = trials(GOOD)
    write_logs(tmp_path / "other", GOOD, 500.0, folder.rng, Made(total=steps, every=steps, decimals=5, unit="s"))
    check = folder.check("pairwise", baseline=tmp_path / "other")
    assert check.verdict == verdict
    assert f"against step {steps:,}" in check.reason


def test_outputs_without_a_source_that_repeat_a_log_are_not_counted(trials):
    folder = trials(GOOD)
    text = folder.logs[0].read_text()
    (folder.path / "stdout").mkdir()
    (folder.path / "stdout" / "run.txt").write_text(text[text.index("step:0/3000") :])
    report = verify(folder.path)
    assert report.sample.n == 8
    assert "repeats runs of other logs" in report.notes[0]
