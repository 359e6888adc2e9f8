"""A record folder that is written: it reads as it was meant, and bad ones are refused in a sentence."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evolve._errors import UsageError
from evolve.cli import main
from evolve.speedrun import Verdict, verify
from evolve.speedrun._log import parse_log
from evolve.speedrun._page import common_step, quantile
from evolve.speedrun._scaled import Scaled
from evolve.speedrun._submission import Raced, Submission
from evolve.speedrun._write import log_text, write_submission

NOON = 1_790_000_000.0


def raced(rng: random.Random, n: int, *, total: int, low: float, each: float, kind: str) -> tuple[Raced, ...]:
    """Runs that end near a loss and take so many seconds a step."""
    found = []
    for i in range(n):
        end, pace = low + rng.gauss(0, 0.01), each * rng.gauss(1, 0.02)
        points = [
            (step, end + 3.0 * (1 - step / total) ** 2, 1.5 + pace * step * rng.gauss(1, 0.005)) for step in range(0, total + 1, 20)
        ]
        name, versions = f"{kind}/{i}", {"Python": "3.11.7", "PyTorch": "2.13.0"}
        found.append(Raced(name, total, tuple(points), NOON + 60 * i + 30 * (kind == "base"), versions, "CPU: one", "", 300))
    return tuple(found)


def submission(track: int = 1, **changes: object) -> Submission:
    rng = random.Random(1)
    found = Submission(
        title="race-1",
        scaled=Scaled(track, 4.05, "The rules, at a small scale."),
        clock="CPU seconds",
        source={"train.py": "import torch\nSTEPS = 140\n"},
        base_source={"train.py": "import torch\nSTEPS = 200\n"},
        runs=raced(rng, 8, total=140, low=4.0, each=0.05, kind="own"),
        base_runs=raced(rng, 12, total=200, low=3.96, each=0.05, kind="base"),
        announced=(8, 12),
        what_changed="1 line added and 1 removed in 1 file.",
        diff="--- a/train.py\n+++ b/train.py\n",
        claim="Claim: confirmed.",
        where_from="Baseline: the initial program.",
    )
    return replace(found, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("track", [1, 3])
def test_what_is_written_is_what_is_verified(tmp_path: Path, track: int) -> None:
    folder = write_submission(tmp_path, submission(track))
    assert folder.name == "2026-09-21_race-1"
    report = verify(folder)
    assert report.ok, [check for check in report.checks if check.verdict is Verdict.FAILS]
    assert (report.track, report.target, report.sample.n, report.baseline) == (track, 4.05, 8, "baseline")
    verdicts = {check.name: check.verdict for check in report.checks}
    assert verdicts["target"] is verdicts["selection"] is verdicts["one source"] is verdicts["text"] is Verdict.HOLDS
    if track == 1:
        assert verdicts["time"] is verdicts["session"] is Verdict.HOLDS
    assert [row.name for row in report.statistics if row.agrees is False] == []
    assert "not comparable" in report.notes[0]
    page = (folder / "README.md").read_text()
    assert "**Same contract, scaled; not comparable.**" in page
    assert "8 runs announced before the first was made, 8 trained to the end" in page


def test_a_log_reads_as_it_was_written() -> None:
    (run, *_) = submission().runs
    log = parse_log("x.txt", log_text(run, {"train.py": "import torch\n", "more.py": "A = 1\n"}, 1))
    assert log is not None
    assert "# ==== more.py" in log.source
    assert log.machine.started is not None
    assert dict(log.machine.versions) == {"python": "3.11.7", "pytorch": "2.13.0"}
    (trial,) = log.trials
    assert [line.step for line in trial.validations] == [step for step, _, _ in run.points]
    assert [float(line.loss()) for line in trial.validations] == [round(loss, 5) for _, loss, _ in run.points]
    on_card = parse_log("x.txt", log_text(replace(run, card="NVIDIA H200"), {"train.py": "import torch\n"}, 1))
    assert on_card is not None
    assert (on_card.machine.gpu, on_card.machine.n_gpus) == ("NVIDIA H200", 1)


def test_a_run_that_ended_otherwise_is_told_of_and_has_no_log(tmp_path: Path) -> None:
    whole = submission()
    dead = replace(whole.base_runs[3], points=(), why="crash: exit status 1")
    folder = write_submission(tmp_path, replace(whole, base_runs=(*whole.base_runs[:3], dead, *whole.base_runs[4:])))
    assert len(list((folder / "baseline").glob("*.txt"))) == 11
    page = (folder / "README.md").read_text()
    assert "12 runs announced before the first was made, 11 trained to the end" in page
    assert f"- {dead.log_name}: crash: exit status 1" in page
    assert verify(folder).ok


def test_copied_logs_and_a_run_left_out_are_found(tmp_path: Path) -> None:
    folder = write_submission(tmp_path, submission())
    first, second, *_ = sorted(folder.glob("*.txt"))
    shutil.copy(first, second)
    verdicts = {check.name: check.verdict for check in verify(folder).checks}
    assert verdicts["independent runs"] is verdicts["selection"] is Verdict.FAILS
    second.unlink()
    assert {check.name: check.verdict for check in verify(folder).checks}["selection"] is Verdict.FAILS


@pytest.mark.parametrize(("source", "rule"), [
    ("import torch\ntorch.manual_seed(42)\nSTEPS = 140\n", "independent runs"),
    ("", "one source"),
])  # fmt: skip
def test_a_source_that_cannot_stand_is_found(tmp_path: Path, source: str, rule: str) -> None:
    folder = write_submission(tmp_path, submission(source={"train.py": source}))
    assert {check.name: check.verdict for check in verify(folder).checks}[rule] is Verdict.FAILS


def test_a_program_that_brings_a_log_of_its_own_is_refused(tmp_path: Path) -> None:
    """Else what stands in its source would be read as a run."""
    rule = "=" * 100
    forged = f'import torch\nLOG = """\n{rule}\nRunning Python 3\nstep:140/140 val_loss:1.0 train_time:1ms step_avg:0.01ms\n"""\n'
    with pytest.raises(UsageError, match=r"found a line of = in train\.py"):
        write_submission(tmp_path, submission(source={"train.py": forged}))
    assert not list(tmp_path.iterdir())


def test_a_record_that_misses_its_target_is_written_and_does_not_hold(tmp_path: Path) -> None:
    folder = write_submission(tmp_path, submission(scaled=Scaled(1, 4.0, "Small.")))
    assert {check.name: check.verdict for check in verify(folder).checks}["target"] is Verdict.FAILS
    assert (
        "no common step"
        in (write_submission(tmp_path / "steps", submission(3, scaled=Scaled(3, 3.9, "Small."))) / "README.md").read_text()
    )


def test_the_common_step_is_the_first_that_passes_for_all() -> None:
    runs = submission(3).runs
    step = common_step(runs, 4.05)
    assert step == 140
    assert common_step(runs, 4.5) == 100
    assert common_step(runs, 3.9) is None
    late = replace(runs[0], points=tuple(point for point in runs[0].points if point[0] != 100))
    assert common_step((late, *runs[1:]), 4.5) == 120


def test_students_quantile() -> None:
    assert quantile(7, 0.975) == pytest.approx(2.3646, abs=1e-4)
    assert quantile(1e6, 0.975) == pytest.approx(1.96, abs=1e-3)


@pytest.mark.parametrize(("text", "words"), [
    ("{", "Expecting"),
    ("[]", "list indices"),
    ('{"track": 1, "target": 4.0}', "'what'"),
    ('{"track": 1, "target": NaN, "what": "x"}', "target above 0"),
    ('{"track": 7, "target": 4.0, "what": "x"}', "track 1 to 3"),
])  # fmt: skip
def test_a_contract_that_cannot_be_read_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    folder = write_submission(tmp_path, submission())
    (folder / "contract.json").write_text(text)
    with pytest.raises(UsageError, match=words):
        verify(folder)


def test_what_is_typed_counts_more_than_the_contract(tmp_path: Path) -> None:
    folder = write_submission(tmp_path, submission())
    assert verify(folder, target=3.9).target == 3.9
    assert verify(folder / "baseline").target == 4.05  # of the folder above
    told = json.loads((folder / "contract.json").read_text())
    assert told == {"schema": 1, "track": 1, "target": 4.05, "what": "The rules, at a small scale."}


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_submission(tmp_path, submission())
    with pytest.raises(UsageError, match=r"expected no .*race-1 yet, found one"):
        write_submission(tmp_path, submission())
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="expected a folder to write to"):
        write_submission(tmp_path / "file", submission())


@pytest.mark.parametrize(("words", "said"), [
    (("package", "RUN"), "type: evolve speedrun package RUN --to FOLDER"),
    (("package", "RUN", "--to", "x", "--track", "1"), "are of verify"),
    (("verify", "x", "more"), "takes one folder, found more too"),
    (("verify", "x", "--to", "y"), "takes one folder, found --to too"),
    (("pack", "x"), "expected verify or package after evolve speedrun, found 'pack'"),
    (("package", "nowhere", "--to", "x"), "nowhere"),
])  # fmt: skip
def test_what_cannot_be_meant_is_one_sentence(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speedrun", *words]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
