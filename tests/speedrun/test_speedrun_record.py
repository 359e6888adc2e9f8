"""What a folder is taken for: record, baseline, beside; and its statistics."""

from __future__ import annotations

import math

import pytest
from _speedrun_logs import Made, write_logs
from scipy import stats
from scipy.special import stdtr
from speedrun_folders import BASE, GOOD

from evolve import EvolveError
from evolve.speedrun import verify
from evolve.speedrun._numbers import sample_of, student


def roles(report) -> dict[str, str]:
    return {one.name: one.role for one in report.sets}


def test_sub_folders_say_what_is_compared_with_what(folder):
    folder.write()
    write_logs(folder.path / "extra", GOOD[:2], 70.0, folder.rng)
    (folder.path / "baseline").rename(folder.path / "master-s60")
    report = verify(folder.path)
    assert roles(report) == {"this_pr": "record", "master-s60": "baseline", "extra": "aside"}


@pytest.mark.parametrize("word", ["baseline", "comparison_", "master-"])
def test_file_names_tell_a_baseline_in_the_same_folder(folder, word):
    for i, path in enumerate(write_logs(folder.path / "logs", GOOD, 79.0, folder.rng)):
        path.rename(path.with_name(f"thispr{i}-60.txt"))
    for i, path in enumerate(write_logs(folder.path / "logs", BASE, 80.0, folder.rng)):
        path.rename(path.with_name(f"{word}{i}-60.txt"))
    assert roles(verify(folder.path)) == {"logs (record)": "record", "logs (baseline)": "baseline"}


def test_the_last_version_is_the_record_and_the_others_are_named(folder):
    for version in (1, 2):
        write_logs(folder.path / f"this_pr_v{version}", GOOD, 80.0 - version, folder.rng)
    report = verify(folder.path)
    assert report.record == "this_pr_v2"
    assert "this_pr_v2 was taken for the record, and not this_pr_v1" in report.notes[0]
    assert verify(folder.path / "this_pr_v1").sample.n == 8


def test_of_two_baselines_the_longer_is_compared_with_and_both_give_the_rate(folder):
    write_logs(folder.path / "this_pr", GOOD, 79.0, folder.rng)
    write_logs(folder.path / "baseline-s60", BASE, 80.0, folder.rng)
    write_logs(folder.path / "baseline-s50", [loss + 0.005 for loss in BASE], 70.0, folder.rng, Made(total=50))
    report = verify(folder.path)
    assert report.baseline == "baseline-s60"
    assert report.equal_loss.measured
    assert report.equal_loss.loss_per_step == pytest.approx(0.0005)
    extra = (sum(GOOD) - sum(BASE)) / 8 / 0.0005
    assert report.equal_loss.extra_steps == pytest.approx(extra)
    assert report.equal_loss.gain_at_equal_loss_s == pytest.approx(report.equal_loss.gain_s - extra * report.times.mean / 60)


def test_with_one_baseline_the_rate_is_the_end_of_its_curve(folder):
    equal = verify(folder.write().path).equal_loss
    assert not equal.measured
    assert equal.loss_per_step > 0


@pytest.mark.parametrize(("loss", "unit", "track"), [(3.2775, "ms", 1), (2.9190, "ms", 2), (3.2775, "s", 3)])
def test_the_track_is_told_by_the_logs(folder, loss, unit, track):
    write_logs(folder.path, [loss, loss + 0.001], 79.0, folder.rng, Made(unit=unit))
    assert verify(folder.path).track == track
    assert verify(folder.path, track=2).target == 2.92


def test_the_track_is_told_by_the_path(tmp_path, folder):
    place = tmp_path / "track_2_medium" / "2026"
    write_logs(place, GOOD, 79.0, folder.rng)
    assert verify(place).track == 2


def test_a_single_log_is_a_record_of_its_own(folder):
    path = write_logs(folder.path, GOOD[:1], 79.0, folder.rng)[0]
    assert (verify(path).sample.n, verify(path).baseline) == (1, None)


@pytest.mark.parametrize(
    ("make", "arguments", "why"),
    [
        (lambda path: None, {}, "found nothing at"),
        (lambda path: path.mkdir(), {}, "no .txt or .log file with any"),
        (lambda path: (path.mkdir(), (path / "main.log").write_text("s:1 trl:4\n")), {}, "no .txt or .log file with any"),
        (lambda path: (path.mkdir(), (path / "a.txt").write_text("import torch\n")), {}, "it ends within its source"),
        (lambda path: None, {"track": 4}, "expected track 1, 2 or 3, found 4"),
        (lambda path: None, {"target": math.nan}, "expected a target loss above 0"),
    ],
)
def test_what_cannot_be_checked_is_one_sentence(folder, make, arguments, why):
    make(folder.path)
    with pytest.raises(EvolveError, match=why) as told:
        verify(folder.path, **arguments)
    assert len(str(told.value).splitlines()) == 1


def test_statistics_are_those_of_scipy(folder):
    report = verify(folder.write().path)
    expected = stats.ttest_1samp(GOOD, 3.28, alternative="less")
    assert (report.sample.t, report.sample.p) == pytest.approx((expected.statistic, expected.pvalue))
    mine, theirs = ([run.mean_s for run in report.sets if run.role == role] for role in ("record", "baseline"))
    assert report.times.mean - report.times.base_mean == pytest.approx(mine[0] - theirs[0])
    assert report.times.p < 1e-6


@pytest.mark.parametrize("df", [1, 2, 3.7, 12, 15.08, 100, 3000])
@pytest.mark.parametrize("t", [-30, -4.15, -0.5, 0, 1, 12])
def test_student_s_distribution(df, t):
    assert student(df, t) == pytest.approx(stdtr(df, t), rel=1e-9)


def test_the_least_and_the_largest_p_are_those_of_all_roundings(folder):
    losses = ["3.2790", "3.2779", "3.2785", "3.2801"]
    sample = sample_of(losses, 3.28)
    draws = [[float(loss) + folder.rng.uniform(-5e-5, 5e-5) for loss in losses] for _ in range(500)]
    corners = [[float(loss) + (5e-5 if i >> k & 1 else -5e-5) for k, loss in enumerate(losses)] for i in range(16)]
    possible = [stats.ttest_1samp(one, 3.28, alternative="less").pvalue for one in draws + corners]
    assert (sample.p_best, sample.p_worst) == pytest.approx((min(possible), max(possible)))
    assert sample.rounding == 5e-5
