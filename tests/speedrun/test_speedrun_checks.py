"""Each rule: what makes it fail, and what lets it pass."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from _speedrun_logs import SOURCE, Made, write_logs
from speedrun_folders import BASE, GOOD

from evolve.speedrun import verify

MIXED = (3.2771, 3.2779, 3.2784, 3.2768)
RACE = (
    "complete", "unedited", "one source", "one step count", "independent runs", "selection", "target", "rounding", "hardware",
    "time", "session", "data", "compiler", "validation", "text",
)  # fmt: skip


def test_a_good_record_keeps_every_rule(folder):
    report = verify(folder.write().path)
    assert {check.name: check.verdict for check in report.checks} == dict.fromkeys(RACE, "holds")
    assert report.ok
    assert (report.track, report.target, report.record, report.baseline) == (1, 3.28, "this_pr", "baseline")


def cut_before_its_end(text):
    return text[: text.index("step:45/60")]


def with_a_nan(text):
    return re.sub(r"(step:60/60 val_loss:)\S+", r"\1nan", text)


def without_its_last_validation(text):
    return re.sub(r"step:60/60 val_loss.*\n", "", text)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (cut_before_its_end, "ends at step 44"),
        (with_a_nan, "not a number"),
        (without_its_last_validation, "without a validation"),
        (lambda text: "", "has no line"),
        (lambda text: SOURCE, "ends within its source"),
    ],
)
def test_a_log_that_is_not_whole_fails(folder, change, why):
    check = folder.write().change(2, change).check("complete")
    assert check.verdict == "fails"
    assert why in check.reason
    assert folder.logs[2].name in check.reason


def other_end(text):
    return re.sub(r"(step:60/60 val_loss:\S+ train_time:)(\d+)", lambda found: found[1] + str(int(found[2]) + 500), text)


def faster_end_with_its_average(text):
    def shorter(found):
        time = int(found[2]) - 2500
        return f"{found[1]}{time}ms step_avg:{time / 60:.2f}ms"

    return re.sub(r"(step:60/60 val_loss:\S+ train_time:)(\d+)ms step_avg:\S+", shorter, text)


def all_times_shorter(text):
    return re.sub(r"train_time:(\d+)", lambda found: f"train_time:{int(found[1]) * 97 // 100}", text)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (other_end, "step_avg"),
        (faster_end_with_its_average, "time goes back at step 60"),
        (all_times_shorter, "step_avg"),
        (lambda text: re.sub(r"step:31/60 .*\n", "", text), "step 31 is left out"),
    ],
)
def test_lines_that_contradict_each_other_fail(folder, change, why):
    check = folder.write().change(3, change).check("unedited")
    assert check.verdict == "fails"
    assert why in check.reason


def test_averages_since_the_last_validation_are_a_form_of_their_own(trials):
    folder = trials(GOOD)
    text = folder.logs[0].read_text()
    last = [0.0, 0]

    def local(found):
        step, clock = int(found[2]), float(found[3])
        since = 1e3 * (clock - last[0]) / (step - last[1]) if step > last[1] else float("nan")
        last[:] = [clock, step]
        return f"{found[1]}{found[3]}s step_avg:{since:.2f}ms"

    folder.logs[0].write_text(re.sub(r"(step:(\d+)/.*? train_time:)([\d.]+)s step_avg:\S+", local, text))
    assert folder.check("unedited").verdict == "holds"


def test_a_last_loss_that_fell_as_no_other_is_pointed_at(folder):
    check = folder.write().change(1, lambda text: re.sub(r"(step:60/60 val_loss:)\S+", r"\g<1>3.2400", text)).check("unedited")
    assert check.verdict == "cannot be told"
    assert folder.logs[1].name in check.reason


def test_two_programs_in_one_record_fail(folder):
    check = folder.write().change(0, lambda text: text.replace("num_iterations + 1", "num_iterations + 2")).check("one source")
    assert check.verdict == "fails"
    assert "of 7, 1 logs" in check.reason


@pytest.mark.parametrize(
    ("old", "new"),
    [("import torch\n", "import torch  # of a nightly build\n"), ("import os\n", '"""What this does."""\nimport os\nSEED = 3\n')],
)
def test_comments_and_seeds_do_not_make_another_program(folder, old, new):
    assert folder.write().change(0, lambda text: text.replace(old, new, 1)).check("one source").verdict == "holds"


def test_a_log_without_its_source_fails(folder):
    check = folder.write().change(0, lambda text: text.replace(SOURCE, "")).check("one source")
    assert (check.verdict, "1 of 8 logs has no source" in check.reason) == ("fails", True)


def test_two_step_counts_fail_and_each_is_told_of(folder):
    folder.write()
    write_logs(folder.path / "this_pr", (3.2830, 3.2841, 3.2836), 78.0, folder.rng, Made(total=50))
    folder.say("Eleven runs were made.")
    check = folder.check("one step count")
    assert check.verdict == "fails"
    assert "3 of 50, 8 of 60" in check.reason
    assert "60 steps: 3.27795 of 8" in folder.check("target").reason


def test_step_counts_that_the_text_tells_apart_are_two_sets(folder):
    folder.write()
    other = (3.2830, 3.2841, 3.2836)
    write_logs(folder.path / "this_pr", other, 81.0, folder.rng, Made(total=50))
    assert folder.check("one step count").verdict == "fails"
    folder.say(f"losses = {list(GOOD)}\nthe record before, retimed: losses = {list(other)}")
    report = verify(folder.path)
    assert next(check.verdict for check in report.checks if check.name == "one step count") == "holds"
    assert report.sample.n == 8
    assert "8 runs are those that the text tells of" in report.notes[0]


def test_a_log_of_the_baseline_among_those_of_the_record_fails(folder):
    folder.write()
    (folder.path / "this_pr" / "another.txt").write_text(folder.baseline[0].read_text().replace("train(", "train_on("))
    verdicts = {check.name: check.verdict for check in verify(folder.path).checks}
    failing = {name for name, verdict in verdicts.items() if verdict == "fails"}
    assert failing == {"one source", "independent runs", "selection"}


def test_what_is_whole_stays_measured_beside_a_log_that_is_cut(folder):
    report = verify(folder.write().change(2, cut_before_its_end).path)
    assert report.sample.n == 7
    assert report.sample.p < 0.01
    assert report.sets[0].unreadable == 1
    assert {check.name for check in report.checks if check.verdict == "fails"} == {"complete", "selection"}


def test_a_copied_log_is_found_whatever_its_name_and_its_end(folder):
    folder.write()
    copy = folder.logs[0].read_text()
    folder.change(5, lambda text: copy)
    assert "clock readings are equal" in folder.check("independent runs").reason
    folder.change(5, lambda text: re.sub(r"(step:60/60 val_loss:)\S+", r"\g<1>3.2770", copy))
    assert folder.check("independent runs").verdict == "fails"


def test_a_copy_with_another_clock_and_another_end_is_found_by_its_losses(folder):
    folder.write()
    later = re.sub(r"train_time:(\d+)", lambda found: f"train_time:{int(found[1]) + 40}", folder.logs[0].read_text())
    copy = re.sub(r"(step:60/60 val_loss:)\S+", r"\g<1>3.2770", later)
    check = folder.change(5, lambda text: copy).check("independent runs")
    assert check.verdict == "fails"
    assert "4 of 5 validation losses are equal" in check.reason


def test_a_copy_of_a_baseline_s_log_is_found(folder):
    folder.write()
    copy = folder.baseline[0].read_text()
    assert folder.change(5, lambda text: copy).check("independent runs").verdict == "fails"


def test_equal_seeds_fail_and_different_ones_do_not(folder):
    folder.write(Made(seed_line="Using seed=0"))
    assert "seed 0" in folder.check("independent runs").reason
    assert folder.check("independent runs").verdict == "fails"
    for number in range(8):
        folder.change(number, lambda text, number=number: text.replace("seed=0", f"seed={number}"))
    check = folder.check("independent runs")
    assert (check.verdict, "8 different seeds" in check.reason) == ("holds", True)


@pytest.mark.parametrize("seeding", ["torch.manual_seed(1337)", "SEED = 7\ntorch.manual_seed(SEED)"])
def test_a_seed_that_stands_in_the_source_fails(folder, seeding):
    check = folder.write(Made(source=f"{SOURCE}{seeding}\n")).check("independent runs")
    assert (check.verdict, "fixes the seed" in check.reason) == ("fails", True)


def test_five_of_eight_logs_fail(folder):
    folder.write()
    for path in folder.logs[5:]:
        path.unlink()
    check = folder.check("selection")
    assert check.verdict == "fails"
    assert "lists 8 losses, the logs have 5" in check.reason
    assert folder.say("n = 8, all of them shown").check("selection").verdict == "fails"
    assert folder.say("n = 5").check("selection").verdict == "holds"
    assert folder.say("A standard deviation of 0.008 between the runs.").check("selection").verdict == "cannot be told"
    assert folder.say("Faster.").check("selection").verdict == "cannot be told"


def test_a_run_that_the_text_does_not_list_fails(folder):
    folder.write().say(f"losses = [{', '.join(map(str, GOOD[:-1]))}]")
    check = folder.check("selection")
    assert (check.verdict, "1 run (3.2788) not in the list" in check.reason) == ("fails", True)


def test_a_mean_above_the_target_or_too_few_runs_fail(folder):
    assert folder.write(losses=tuple(loss + 0.002 for loss in GOOD)).check("target").verdict == "fails"
    assert folder.check("target", target=3.29).verdict == "holds"


def test_one_run_gives_no_p_value(folder):
    check = folder.write(losses=GOOD[:1]).check("target")
    assert (check.verdict, "gives no p-value" in check.reason) == ("fails", True)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("This is a pure systems change.", "waiver claimed"),
        ("A systems-only PR: kernels.", "waiver claimed"),
        ("This should not change the ML.", "waiver claimed"),
        ("This is not a pure systems change.", "fails"),
        ("I tried a number of systems and architectural changes.", "fails"),
        ("It improves the time and does not impact loss.", "fails"),
    ],
)
def test_the_target_is_waived_only_where_a_systems_change_is_claimed(folder, text, verdict):
    folder.write(losses=tuple(loss + 0.002 for loss in GOOD)).say(text)
    assert folder.check("target").verdict == verdict


def test_a_p_value_that_rounding_decides_cannot_be_told(folder):
    losses = (3.2790, 3.2796, 3.2780, 3.2801, 3.2772, 3.2798, 3.2793, 3.2787)
    check = folder.write(losses=losses).check("rounding")
    assert folder.check("target").verdict == "holds"
    assert check.verdict == "cannot be told"


def test_other_gpus_than_the_baseline_s_fail(folder):
    folder.write(Made(), base=Made(gpu="NVIDIA H200"))
    assert folder.check("hardware").verdict == "fails"
    assert folder.check("time").verdict == "cannot be told"


def test_another_node_than_the_baseline_s_cannot_be_told(folder):
    assert folder.write(Made(), base=Made(node=2)).check("hardware").verdict == "cannot be told"


def test_times_that_no_node_gives_fail(folder):
    folder.write()
    write_logs(folder.path / "this_pr", GOOD[:2], 160.0, folder.rng)
    assert "differ by" in folder.check("hardware").reason


def test_slower_than_the_baseline_fails(folder):
    assert folder.write(seconds=80.5).check("time").verdict == "fails"


def test_no_faster_beyond_noise_cannot_be_told(folder):
    assert folder.write(seconds=79.99).check("time").verdict != "holds"


def test_a_baseline_from_another_folder(folder, tmp_path):
    folder.write()
    other = tmp_path / "other"
    write_logs(other, BASE, 78.0, folder.rng)
    check = folder.check("time", baseline=other)
    assert (check.verdict, "of " + str(other) in check.reason) == ("fails", True)


def test_a_baseline_of_another_day_cannot_be_told(folder):
    folder.write(Made(), base=Made(started=datetime(2026, 6, 1)))
    check = folder.check("session")
    assert (check.verdict, "over 30 days" in check.reason) == ("cannot be told", True)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("10485760", "1048576", "val_tokens is 1,048,576"),
        ("10485760", "2 * 524288", "val_tokens is 1,048,576"),
        ("fineweb_val_*", "other_val_*", "the shards are other_val_*.bin"),
        ("fineweb_val_*", "fineweb_train_*", "validation reads training shards"),
    ],
)
def test_other_validation_data_fail(folder, old, new, why):
    check = folder.write(Made(source=SOURCE.replace(old, new)), base=Made()).check("data")
    assert (check.verdict, why in check.reason) == ("fails", True)


@pytest.mark.parametrize("value", ["10485760 // 2", "10485760//2", "tokens_of(args)"])
def test_validation_tokens_that_are_computed_cannot_be_told(folder, value):
    check = folder.write(Made(source=SOURCE.replace("10485760", value)), base=Made()).check("data")
    assert (check.verdict, "does not give val_tokens" in check.reason) == ("cannot be told", True)


def test_fewer_shards_than_the_baseline_fail(folder):
    source = SOURCE.replace("fineweb_train_*", "fineweb_train_00000[1-3]")
    check = folder.write(Made(source=source), base=Made()).check("data")
    assert (check.verdict, "train shards differ" in check.reason) == ("fails", True)


@pytest.mark.parametrize(
    "flag",
    [
        "torch._inductor.config.coordinate_descent_tuning = True",
        "import torch._inductor.config as settings\nsettings.max_autotune = True",
        'os.environ["TORCHINDUCTOR_MAX_AUTOTUNE"] = "1"',
        'step = torch.compile(step, mode="max-autotune")',
    ],
)
def test_a_flag_of_the_compiler_that_the_baseline_lacks_fails(folder, flag):
    flagged = Made(source=f"{SOURCE}{flag}\n")
    assert folder.write(flagged, base=Made()).check("compiler").verdict == "fails"
    folder.write(flagged, base=flagged)
    alone = {check.name: check.verdict for check in verify(folder.path / "this_pr").checks}
    assert alone["compiler"] == "cannot be told"


def test_a_flag_that_the_baseline_has_or_that_is_a_comment_is_none(folder):
    flagged = Made(source=f"{SOURCE}torch._inductor.config.coordinate_descent_tuning = True\n")
    assert folder.write(flagged).check("compiler").verdict == "holds"


def test_a_flag_in_a_comment_is_none(folder):
    commented = Made(source=f"{SOURCE}# torch._inductor.config.max_autotune = True\n")
    assert folder.write(commented, base=Made()).check("compiler").verdict == "holds"


def test_another_validation_is_to_be_read(folder):
    source = SOURCE.replace("/ val_steps", "/ val_steps - 0.001")
    check = folder.write(Made(source=source), base=Made()).check("validation")
    assert (check.verdict, "2 lines" in check.reason) == ("cannot be told", True)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("mean: 3.2770", "fails"),
        ("mean: 3.2780", "holds"),
        ("mean: 3.2780\n\nmean again: 3.2770", "cannot be told"),
        (f"losses = {list(GOOD)}, mean: 3.2770", "cannot be told"),
        ("mean: 3.2780, of the baseline a mean of 3.27795", "holds"),
        ("p-value: 0.00001", "fails"),
        ("| | Runs | Loss mean | Loss p |\n|---|---|---|---|\n| this | 8 | 3.27795 | 0.9 |", "fails"),
        ("            Runs  Loss mean  Loss p\nbaseline       8    3.27795  7.5e-05", "holds"),
        ("            Runs  Loss mean  Loss p\nbaseline       8    3.27705  7.5e-05", "fails"),
        ("mean time: 78.1 s", "fails"),
        ("| time mean (ms) | 79001.2 | 78998.9 |", "fails"),
        ("Faster.", "cannot be told"),
    ],
)
def test_statistics_of_the_text_are_held_against_the_logs(folder, text, verdict):
    assert folder.write().say(text).check("text").verdict == verdict
