"""A record folder, written: a log for each run in upstream's form, the baseline's in a folder beside, a page, the diff.

Nothing here reads a run of ours; what is written is what it is handed, and the statistics are those that ``verify`` recomputes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from evolve._errors import UsageError
from evolve.speedrun._log import RULE_LINE
from evolve.speedrun._page import page
from evolve.speedrun._scaled import write_contract
from evolve.speedrun._submission import Raced, Submission

RULE = "=" * 100
BASELINE, DIFF = "baseline", "changes.diff"


def write_submission(to: Path, submission: Submission) -> Path:
    """Write it below ``to`` as ``YYYY-MM-DD_Title``.

    Raises:
        UsageError: that is there already, ``to`` is no folder, or a source would end the source's part of its own log.
    """
    for path, text in (*submission.source.items(), *submission.base_source.items()):
        if RULE_LINE.search(text):
            raise UsageError(f"expected a program that its log can carry, found a line of = in {path}, which ends the source there")
    last = max(run.started for run in submission.runs)
    folder = to / f"{datetime.fromtimestamp(last, UTC):%Y-%m-%d}_{submission.title}"
    if folder.exists():
        raise UsageError(f"expected no {folder} yet, found one; move it away, or name another place: --to FOLDER")
    try:
        (folder / BASELINE).mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"expected a folder to write to, found {to} ({error.strerror}); name another: --to FOLDER") from None
    track = submission.scaled.track
    for place, runs, source in (
        (folder, submission.runs, submission.source),
        (folder / BASELINE, submission.base_runs, submission.base_source),
    ):
        for run in runs:
            if run.points:
                (place / run.log_name).write_text(log_text(run, source, track), encoding="utf-8")
    write_contract(folder, submission.scaled)
    (folder / DIFF).write_text(submission.diff, encoding="utf-8")
    (folder / "README.md").write_text(page(submission), encoding="utf-8")
    return folder


def log_text(run: Raced, source: Mapping[str, str], track: int) -> str:
    """The log of a run: source, versions and machine, a line a validation."""
    files = [text if len(source) == 1 else f"# ==== {path}\n{text}" for path, text in sorted(source.items())]
    lines = [_line(run, *point, track) for point in run.points]
    if track != 3:
        lines.append(f"peak memory allocated: {run.peak_mib} MiB reserved: {run.peak_mib} MiB")
    return "\n".join(["\n".join(files), RULE, _machine(run), RULE, *lines]) + "\n"


def _machine(run: Raced) -> str:
    versions = [f"Running {name} {version}" for name, version in run.versions.items()]
    on = [f"Running on {run.card} with world_size 1"] if run.card else []
    return "\n".join([*versions, f"{datetime.fromtimestamp(run.started, UTC):%a %b %d %H:%M:%S %Y}", *on, run.hardware])


def _line(run: Raced, step: int, loss: float, seconds: float, track: int) -> str:
    time = f"{seconds:.3f}s" if track == 3 else f"{1e3 * seconds:.0f}ms"
    average = f"{1e3 * seconds / step:.2f}" if step else "nan"
    return f"step:{step}/{run.total} val_loss:{loss:.5f} train_time:{time} step_avg:{average}ms"
