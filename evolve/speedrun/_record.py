"""A record folder as sets of runs: what is claimed, what it is compared with, and what lies beside.

Which is which is told by the names of sub-folders and files (``this_pr``, ``baseline-s1480``, ``master``, ``extra`` ...), since
nothing else in a published folder says it; what was taken for what is part of the report.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from evolve._errors import UsageError
from evolve.speedrun._claims import Claims, read_claims, same_losses
from evolve.speedrun._log import LOSS, Log, Trial, parse_log

_LOGS = (".txt", ".log")
_MOST_BYTES = 64 * 2**20
_BASELINE = re.compile(r"^(baselines?|base|comparisons?|master|main|prior|previous|control|old|upstream)\d*$")
_ASIDE = re.compile(r"^(extras?|ablations?|probes?|failed|debug|single|warmup)$")
_OWN = re.compile(r"^(this|record|submission|combined)$")
_ONE_RUN = re.compile(r"^(seed|run|trial|rank)s?[-_]?\d+$", re.I)
TARGETS = {1: 3.28, 2: 2.92, 3: 3.28}
_TRACK = re.compile(r"track_?([123])")


@dataclass(frozen=True, slots=True)
class Run:
    """One training run, and the log that it stands in."""

    name: str
    log: Log
    trial: Trial

    @property
    def loss_text(self) -> str:
        return self.trial.end.loss() if self.trial.end else ""

    @property
    def loss(self) -> float:
        return float(self.loss_text or "nan")

    @property
    def seconds(self) -> float:
        return (self.trial.end or self.trial.lines[-1]).seconds


@dataclass(frozen=True, slots=True)
class RunSet:
    """Whole runs that are told of together; beside them those that are not whole, with why, and logs without any run."""

    name: str
    role: str  # record, baseline, aside
    runs: tuple[Run, ...]
    unfinished: tuple[tuple[Run, str], ...] = ()
    broken: tuple[Log, ...] = ()

    @property
    def logs(self) -> tuple[Log, ...]:
        """Each file with a run in it, once."""
        runs = [*self.runs, *(run for run, _ in self.unfinished)]
        return tuple({run.log.path: run.log for run in runs}.values())

    @property
    def steps(self) -> tuple[int, ...]:
        return tuple(sorted({run.trial.total for run in self.runs}))

    def where(self, steps: int) -> RunSet:
        """The whole runs of one step count."""
        return replace(self, runs=tuple(run for run in self.runs if run.trial.total == steps))


@dataclass(frozen=True, slots=True)
class Record:
    """A folder as it was understood."""

    folder: str
    track: int
    target: float
    record: RunSet
    baselines: tuple[RunSet, ...]  # the one that is compared with first
    aside: tuple[RunSet, ...]
    text: str
    claims: Claims
    notes: tuple[str, ...]

    @property
    def baseline(self) -> RunSet | None:
        return self.baselines[0] if self.baselines else None


def read_record(folder: Path, track: int | None, target: float | None, baseline: Path | None) -> Record:
    """The folder, or the single log, at ``folder``.

    Raises:
        UsageError: it is not there, or has no log that can be read.
    """
    logs, notes = _without_twins(_logs_of(folder))
    sets = _sets(logs)
    own = [one for one in sets if one.role == "record" and one.runs] or [one for one in sets if one.runs]
    if not own:
        raise _no_log(folder, logs)
    chosen = max(own, key=_preference)
    number = track or _track_of(folder, chosen)
    aim = TARGETS[number] if target is None else target
    text = _texts(folder, chosen)
    claims = read_claims(text, aim)
    record, told_apart = _told_apart(replace(_whole(chosen, number), role="record"), claims)
    if not record.runs:
        raise UsageError(f"expected a whole run in {folder}, found none; {record.unfinished[0][0].name}: {record.unfinished[0][1]}")
    others = [*told_apart, *(_whole(one, number) for one in sets if one is not chosen)]
    found = [one for one in others if one.role == "baseline"] if baseline is None else [_whole(_given_baseline(baseline), number)]
    baselines = tuple(sorted(_by_steps(found), key=partial(_distance, record)))
    aside = tuple(one for one in others if one not in found)
    notes += tuple(_notes(record, own, chosen, told_apart))
    return Record(str(folder), number, aim, record, baselines, aside, text, claims, notes)


def _whole(one: RunSet, track: int) -> RunSet:
    """A set with those of its runs put aside that did not end as a run of this track does."""
    unfinished = tuple((run, why) for run in one.runs if (why := _unfinished(run, track)))
    out = {id(run) for run, _ in unfinished}
    return replace(one, runs=tuple(run for run in one.runs if id(run) not in out), unfinished=unfinished)


def _unfinished(run: Run, track: int) -> str:
    trial = run.trial
    last = trial.lines[-1]
    if any(not math.isfinite(float(text)) for line in trial.lines for _, text in line.losses):
        return "a validation loss is not a number"
    if trial.end is None:
        return f"it ends at step {last.step:,} without a validation"
    if not run.loss_text or not math.isfinite(last.seconds):
        return "its last line has no val_loss or no time"
    if track != 3 and last.step != last.total:
        return f"it ends at step {last.step:,} of {last.total:,}"
    return ""


def _by_steps(sets: Sequence[RunSet]) -> Iterator[RunSet]:
    """Baselines of one step count each: what a step is worth is seen between them."""
    for one in sets:
        for steps in one.steps:
            yield one if len(one.steps) == 1 else replace(one.where(steps), name=f"{one.name} ({steps:,} steps)")


def _notes(record: RunSet, own: Sequence[RunSet], chosen: RunSet, told_apart: Sequence[RunSet]) -> Iterator[str]:
    if told_apart:
        others = sum(len(one.runs) for one in told_apart)
        apart = f"{others} of another program, step count or GPU are told apart"
        yield f"{len(record.runs)} runs are those that the text tells of, {apart}"
    if len(own) > 1:
        names = ", ".join(one.name for one in own if one is not chosen)
        yield f"{chosen.name} was taken for the record, and not {names}; name the sub-folder to have another checked"


def _told_apart(one: RunSet, claims: Claims) -> tuple[RunSet, tuple[RunSet, ...]]:
    """A set of several programs, step counts or GPUs, by what the text says of them; else it stays as it is.

    Each group may have a list of losses that are exactly its own: the fastest is the record, the others are baselines.  Without
    lists, the text may give the number of runs of each group, and never of all of them: then the others are set aside.
    """
    groups: dict[tuple[str, int, str], list[Run]] = {}
    for run in one.runs:
        groups.setdefault((run.log.source_hash, run.trial.total, run.log.machine.gpu), []).append(run)
    listed = {key for key, runs in groups.items() if any(same_losses(known, [run.loss for run in runs]) for known in claims.losses)}
    counted = {key for key, runs in groups.items() if len(runs) in claims.counts} if not claims.losses else set()
    every = len(groups)
    by_counts = len(counted) == every and len(one.steps) == 1 and len(one.runs) not in claims.counts
    if every < 2 or (len(listed) < every and not by_counts):
        return one, ()
    first = min(groups, key=lambda key: (by_counts and -len(groups[key]), _mean_seconds(groups[key])))
    others = (
        RunSet(f"{one.name} ({len(runs)} of {key[1]:,} steps, {key[0][:6]})", "baseline" if key in listed else "aside", tuple(runs))
        for key, runs in groups.items()
        if key != first
    )
    return replace(one, runs=tuple(groups[first])), tuple(others)


def _mean_seconds(runs: Sequence[Run]) -> float:
    return sum(run.seconds for run in runs) / len(runs)


def _logs_of(folder: Path) -> list[Log]:
    if folder.is_file():
        found = parse_log(folder.name, _text(folder))
        return [found] if found is not None else []
    if not folder.is_dir():
        raise UsageError(f"expected a record folder, or a log, found nothing at {folder}; type: evolve speedrun verify FOLDER")
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix in _LOGS)
    shown = sorted(name for name in names if not any(part.startswith(".") for part in name.parts) and (folder / name).is_file())
    parsed = (parse_log(name.as_posix(), _text(folder / name)) for name in shown)
    return [log for log in parsed if log is not None]


def _text(path: Path) -> str:
    if path.stat().st_size > _MOST_BYTES:
        raise UsageError(
            f"expected a log of at most {_MOST_BYTES >> 20} MiB, found {path} with {path.stat().st_size >> 20}; move it away"
        )
    return path.read_text(encoding="utf-8", errors="replace")


def _no_log(folder: Path, logs: Sequence[Log]) -> UsageError:
    found = f"{logs[0].path}, and {logs[0].problem}" if logs else "no .txt or .log file with any"
    return UsageError(f"expected lines step:S/T val_loss:... train_time:... step_avg:... in logs below {folder}, found {found}")


def _without_twins(logs: Sequence[Log]) -> tuple[list[Log], tuple[str, ...]]:
    """Logs but for those without a source whose every line stands in another log too: the same run, printed to a second file."""
    bare = [log for log in logs if log.trials and not log.source]
    if not bare:
        return list(logs), ()
    kept = [log for log in logs if log not in bare]
    seen = [frozenset(trial.lines) for log in kept for trial in log.trials]
    dropped: list[Log] = []
    for log in sorted(bare, key=lambda log: -max(len(trial.lines) for trial in log.trials)):
        mine = [frozenset(trial.lines) for trial in log.trials]
        twin = all(any(one <= other for other in seen) for one in mine)
        (dropped if twin else kept).append(log)
        seen += [] if twin else mine
    if not dropped:
        return kept, ()
    several = len(dropped) > 1
    some = f"{len(dropped)} file{'s' if several else ''} without a source ({dropped[0].path}{', ...' if several else ''})"
    return kept, (
        f"{some} repeat{'' if several else 's'} runs of other logs line by line, and {'are' if several else 'is'} not counted",
    )


def _sets(logs: Sequence[Log]) -> list[RunSet]:
    found: dict[tuple[str, str], tuple[list[Run], list[Log]]] = {}
    for log in logs:
        parts = Path(log.path).parts[:-1]
        while parts and _ONE_RUN.match(parts[-1]):
            parts = parts[:-1]
        if log.trials and not log.source and not any(other.source for other in logs if other.path.startswith("/".join(parts))):
            parts = ()
        runs, broken = found.setdefault(("/".join(parts), _role(log.path)), ([], []))
        many = len(log.trials) > 1
        runs += [Run(f"{log.path}#{i}" if many else log.path, log, trial) for i, trial in enumerate(log.trials, 1)]
        broken += [] if log.trials else [log]
    several = {name: sum(1 for other, _ in found if other == name) > 1 for name, _ in found}
    return [
        RunSet(f"{name or '.'}{f' ({role})' if several[name] else ''}", role, tuple(runs), broken=tuple(broken))
        for (name, role), (runs, broken) in found.items()
    ]


def _role(path: str) -> str:
    """By the words of folders and file name, the first that says something."""
    for part in Path(path).with_suffix("").parts:
        for word in re.split(r"[^a-z0-9]+", part.lower()):
            if _ASIDE.match(word):
                return "aside"
            if _BASELINE.match(word):
                return "baseline"
    return "record"


def _preference(one: RunSet) -> tuple[bool, int, int, int, float]:
    """Of several sets that may be the claim: a name that says so, the latest version, most GPUs, most runs, the fastest."""
    words = re.split(r"[^a-z0-9]+", one.name.lower())
    version = max((int(word[1:]) for word in words if re.fullmatch(r"v\d+", word)), default=0)
    gpus = max((run.log.machine.n_gpus for run in one.runs), default=0)
    return any(_OWN.match(word) for word in words), version, gpus, len(one.runs), -_mean_seconds(one.runs)


def _distance(record: RunSet, one: RunSet) -> tuple[bool, bool, int, int]:
    """Of several baselines: the same hardware first, one that is called so, the longest schedule (the record before), most runs."""
    mine, theirs = record.runs[0].log.machine, one.runs[0].log.machine
    same = (mine.gpu, mine.n_gpus) == (theirs.gpu, theirs.n_gpus)
    return not same, "baseline" not in one.name.lower(), -max(one.steps), -len(one.runs)


def _given_baseline(folder: Path) -> RunSet:
    logs, _ = _without_twins(_logs_of(folder))
    sets = [one for one in _sets(logs) if one.runs and one.role != "aside"]
    if not sets:
        raise _no_log(folder, logs)
    runs = tuple(run for one in sets for run in one.runs)
    return RunSet(str(folder), "baseline", runs, broken=tuple(log for one in sets for log in one.broken))


def _track_of(folder: Path, record: RunSet) -> int:
    """By the folder's name, else by the clock (track 3 prints seconds), else by the loss that is reached."""
    named = _TRACK.findall(str(folder.resolve()))
    if named:
        return int(named[-1])
    run = record.runs[0]
    if run.trial.lines[-1].unit == "s":
        return 3
    return 2 if run.loss < (TARGETS[1] + TARGETS[2]) / 2 else 1


def _texts(folder: Path, record: RunSet) -> str:
    """What the claim says of itself: Markdown beside its logs, else at the top of the folder."""
    if folder.is_file():
        return ""
    beside = folder / record.name.removesuffix(" (record)")
    for place in dict.fromkeys((beside, folder)):
        if found := sorted(place.glob("*.md")) if place.is_dir() else []:
            return "\n\n".join(_text(path) for path in found)
    return ""


def readouts(record: RunSet) -> tuple[str, ...]:
    """The names of the losses that every run prints at its end, ``val_loss`` first."""
    ends = [{name for name, _ in run.trial.end.losses} for run in record.runs if run.trial.end]
    common = set.intersection(*ends) if ends else set()
    return (LOSS, *sorted(common - {LOSS}))
