"""One log file of a training script: the source that ran, where it ran, and what it printed, exactly as it printed it.

A log is the source, a line of ``=``, versions and GPUs, another such line, and then a line a step or a validation.  Older forms
have no versions or no source, track 3 prints seconds and may have several trials in one file, a package prints all of its files one
after the other.  Numbers stay the text that was printed: how they were rounded is part of what a verifier must know.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

RULE_LINE = re.compile(r"^={20,}[ \t]*$", re.M)
_STEP = re.compile(
    r"^[ \t]*step:(\d{1,12})/(\d{1,12})((?: +\w+:\S+)*?) +train_time:(\d+(?:\.\d+)?|nan)(ms|s) +step_avg:(\S+?)ms\b.*$", re.M
)
_STEP_LIKE = re.compile(r"^[ \t]*step:\d", re.M)
_LOSS = re.compile(r"\b(val\w*_loss):([-+]?(?:\d+(?:\.\d*)?(?:e[-+]?\d+)?|nan|inf))(?!\S)")
_GPU = re.compile(r"^\| +\d+ +(\S.{0,60}?) {2,}[^|\n]{0,80}\| *([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:\S{1,8})", re.M)
_NAMED_GPU = re.compile(r"\bon (?:device_name=)?((?:NVIDIA|AMD) .{1,60}?) with world_size[ =](\d{1,6})")
_DATE = re.compile(r"^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (\w{3}) +(\d{1,2}) (\d\d:\d\d:\d\d)(?: [A-Z]+)? (\d{4})\s*$", re.M)
_STAMP = re.compile(r"timestamp=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)")
_VERSION = re.compile(r"^Running (Python|PyTorch|pytorch|Triton)(?: version)? ([^\s,]+)", re.M)
_SEED = re.compile(r"^(?:[Uu]sing )?(?:trial:\S+ )?\w*seed[=: ]+(\d+)\s*$", re.M)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LOSS = "val_loss"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a step: with losses where there was a validation, and the clock as it was printed, in ``unit``."""

    step: int
    total: int
    losses: tuple[tuple[str, str], ...]
    time: str
    unit: str
    average_ms: str

    @property
    def seconds(self) -> float:
        return float(self.time) * (1e-3 if self.unit == "ms" else 1.0)

    def loss(self, readout: str = LOSS) -> str:
        """What a validation printed; "" where there was none, or none of this name."""
        return next((text for name, text in self.losses if name == readout), "")


@dataclass(frozen=True, slots=True)
class Trial:
    """One training run: from its first line to its last."""

    lines: tuple[Line, ...]
    seed: str

    @property
    def validations(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.losses)

    @property
    def last_step(self) -> int:
        return self.lines[-1].step

    @property
    def total(self) -> int:
        return self.lines[-1].total

    @property
    def end(self) -> Line | None:
        """The validation at the last step; ``None`` where the run ends without one."""
        return next((line for line in reversed(self.lines) if line.losses and line.step == self.last_step), None)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a log says of where it ran; empty where it says nothing."""

    gpu: str
    n_gpus: int
    addresses: tuple[str, ...]
    started: datetime | None
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Log:
    """A log file.  ``problem`` says why nothing, or not everything, can be read of it."""

    path: str
    source: str
    source_hash: str
    machine: Machine
    trials: tuple[Trial, ...]
    problem: str


def parse_log(path: str, text: str) -> Log | None:
    """A log; ``None`` for a text that is none (a list of packages, say), which is not the same as one that is broken."""
    text = text.replace("\r\n", "\n")
    source, rest = _split(text)
    source = source if source.strip() else ""
    matches = list(_STEP.finditer(rest))
    head = rest[: matches[0].start()] if matches else rest
    trials = _trials(matches, rest)
    if not trials and not _is_meant(path, text):
        return None
    return Log(path, source, _digest(source), _machine(head), trials, _problem(source, rest, trials, len(matches)))


def _split(text: str) -> tuple[str, str]:
    """The source, and what follows it.  A source may begin with such a line itself, and a package may have some in it."""
    rules = [found for found in RULE_LINE.finditer(text) if found.start() > 0]
    for found in rules:
        if text[found.end() : found.end() + 200].lstrip().startswith("Running "):
            return text[: found.start()], text[found.end() :]
    step = _STEP_LIKE.search(text)
    before = [found for found in rules if step is None or found.start() < step.start()]
    if before and "import" in text[: before[0].start()]:
        return text[: before[0].start()], text[before[0].end() :]
    if step is None and "import torch" in text:
        return text, ""
    return "", text


def _trials(matches: list[re.Match[str]], rest: str) -> tuple[Trial, ...]:
    """Runs, told apart by a step that goes back.  Seeds are given to them where there are as many as runs."""
    groups: list[list[Line]] = []
    before = None
    for found in matches:
        step, total, middle, time, unit, average = found.groups()
        losses = tuple(_LOSS.findall(middle)) if "val" in middle else ()
        line = Line(int(step), int(total), losses, time, unit, average)
        if before is None or line.step < before:
            groups.append([])
        groups[-1].append(line)
        before = line.step
    seeds = _SEED.findall(rest)
    given = seeds if len(seeds) == len(groups) else [""] * len(groups)
    return tuple(Trial(tuple(lines), seed) for lines, seed in zip(groups, given, strict=True))


def _is_meant(path: str, text: str) -> bool:
    """Whether a text without a single step was to be a log: by its name, or by the source it begins with."""
    named = re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-", path.rpartition("/")[2]) is not None
    return named or "import torch" in text or _STEP_LIKE.search(text) is not None or not text.strip()


def _problem(source: str, rest: str, trials: tuple[Trial, ...], n_read: int) -> str:
    if not trials:
        return (
            "it ends within its source"
            if source and not rest.strip()
            else "it has no line step:S/T ... train_time: ... step_avg: ..."
        )
    broken = len(_STEP_LIKE.findall(rest)) - n_read
    if broken:
        return f"{broken} of its step lines {'is' if broken == 1 else 'are'} cut or changed in form"
    return ""


def _machine(head: str) -> Machine:
    cards = _GPU.findall(head)
    named = _NAMED_GPU.search(head)
    gpu = named[1].strip() if named else " + ".join(dict.fromkeys(name for name, _ in cards))
    versions = tuple((name.lower(), version) for name, version in _VERSION.findall(head))
    return Machine(gpu, int(named[2]) if named else len(cards), tuple(address for _, address in cards), _started(head), versions)


def _started(head: str) -> datetime | None:
    if found := _DATE.search(head):
        month, day, clock, year = found.groups()
        if month in _MONTHS:
            return _date(f"{year}-{_MONTHS.index(month) + 1:02}-{int(day):02}T{clock}")
    stamp = _STAMP.search(head)
    return _date(stamp[1]) if stamp else None


def _date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # the 31st of June
        return None


@lru_cache(maxsize=16)
def _digest(source: str) -> str:
    """Of a source without what says nothing of the program, ends of lines and blank lines around it; "" of none."""
    lines = [line.rstrip() for line in source.strip().splitlines()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""
