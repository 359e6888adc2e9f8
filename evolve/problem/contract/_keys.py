"""The keys of ``problem.yaml``: which there are, and what the reference page says of each.

``_contract_yaml`` knows a key from here and reads it; ``tests/config/test_reference.py`` holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from archive import StartMode
from evolve.problem.contract._contract import MAX_BYTES

GOALS = ("maximize", "minimize")
NOISE = ("deterministic", "noisy")
COMPUTE_RULES = ("none", "wall", "calls", "cpu_budget")
SOURCES = ("ast", "outcome")
READERS = ("grader", "candidate")
MAX_BLOCK = 64
MAX_ELITES = 64
MAX_BINS = 1000
MAX_WHY_CHARS = 200  # it is part of a measurement's reason
WEEK_S = 7 * 24 * 3600.0
NEEDED = "needed"  # the default of a key that must be there


class Key(NamedTuple):
    """One key: the type of its value, what stands for it where it is absent, which values it may have, and what it means."""

    kind: str
    default: str
    allowed: str
    meaning: str


def _whole(default: str, low: int, high: int, meaning: str) -> Key:
    return Key("whole number", default, f"from {low} to {high}", meaning)


def _number(default: str, allowed: str, meaning: str) -> Key:
    return Key("number", default, allowed, meaning)


def _flag(meaning: str) -> Key:
    return Key("true or false", "false", "", meaning)


def _list(kind: str, allowed: str, meaning: str) -> Key:
    return Key(f"list of {kind}", "[]", allowed, meaning)


def _one_of(default: str, names: tuple[str, ...], meaning: str) -> Key:
    return Key("name", default, f"one of {', '.join(names)}", meaning)


_DISTRIBUTION = "letters, digits, `.`, `_` and `-`"
TOP: Mapping[str, Key] = {
    "name": Key("name", NEEDED, "letters, digits, `_` and `-`, a letter first", "What the problem is called."),
    "metric": Key("name", NEEDED, "letters, digits and `_`, no digit first", "What the score is called."),
    "family": Key(
        "name",
        '""',
        "letters, digits, `_` and `-`, a letter first",
        "What problems are called together whose programs may learn from each other, in a run of several.",
    ),
    "goal": _one_of(NEEDED, GOALS, "Which scores are better."),
    "learning_curve": Key(
        "text", '""', "", "What `evaluate.py` reports by `trial.report`, as good or bad as the score; with it children are pruned."
    ),
    "unit": Key("text", '""', "", "Unit of the score, shown beside it."),
    "secondary": _list("names", "letters, digits and `_`; or `any` for any names", "Further numbers that the evaluator returns."),
    "noise": _one_of("deterministic", NOISE, "Whether the score depends on the seed of the measurement."),
    "compute_rule": _one_of(
        "none",
        COMPUTE_RULES,
        "What of the compute spent the score depends on. `wall`: it is a time or hangs on one, so results of different hardware "
        "are never compared; `cpu_budget`: likewise, and 1.10 times the initial program's CPU is allowed; `calls` is only shown.",
    ),
    "params": Key("mapping", "{}", "a default, or the keys below", "What `problem.params.NAME=VALUE` may set, by name."),
    "editable": _list("paths", "relative, inside `initial/`", "Files that may change; by default all that are not hidden."),
    "initial_by": Key(
        "name",
        '""',
        "a param",
        "The param that chooses among several initial programs: each lies in the folder of `initial/` that the value names.",
    ),
    "may_add_files": _flag("Whether a child may add files."),
    "max_bytes": _whole("65536", 1, MAX_BYTES, "Bytes of all files of a program together."),
    "meaningful_comments": _list("texts", "or `all`", "What comments begin with that make another program."),
    "candidate_imports": _list("names", _DISTRIBUTION, "Packages that the program may import."),
    "toolbox": _list("names", "out of cc, make", "Tools of the system that programs are built with."),
    "requires": _list("names", _DISTRIBUTION, "Packages that the evaluator needs."),
    "environment": _list("names", "letters, digits and `_`", "Variables of yours that reach the evaluator."),
    "assets": Key("mapping", "{}", "the keys below", "What `prepare.py` makes, by who may see it."),
    "data": _list("mappings", "the keys below", "Files and folders too large to travel with the problem."),
    "stages": _list("mappings", "the keys below", "Limits of a measurement; several make a cascade. By default one, `full`."),
    "descriptors": _list("mappings", "the keys below", "Axes that say where a program stands other than by its score."),
    "elites_per_cell": _whole("1", 1, MAX_ELITES, "Programs kept in each cell."),
    "artifacts": Key("mapping", "{}", "name: ending, as `packing: .npy`", "Small files by which a result can be checked again."),
    "max_artifact_bytes": _whole("65536", 1, 1 << 24, "Bytes of one artifact."),
    "budget": Key("mapping", "{}", "the keys below", "What a run may spend where it is not told."),
    "placement": Key("mapping", "{}", "the keys below", "Which nodes of a cluster may hold a slot (`executor=ray`)."),
    "gates": _list("mappings", "the keys below", "Bounds beyond which no honest measurement can be."),
    "scored_inside": Key("name", '""', "a folder of the problem", "Folder whose code runs in the sandbox alone and scores there."),
}
PARAM: Mapping[str, Key] = {
    "default": Key("number, text, true or false", NEEDED, "", "Its value where none is given; its type is the param's."),
    "low": _number("null", "", "Least value."),
    "high": _number("null", "", "Greatest value."),
    "choices": _list("values", "of the default's type", "The values there are; by default any."),
}
ASSETS: Mapping[str, Key] = {
    "candidate": _list("paths", "relative, inside the folder", "What a program finds under `/assets`, and the evaluator too."),
    "grader": _list("paths", "relative, inside the folder", "What the evaluator alone finds."),
}
DATA: Mapping[str, Key] = {
    "name": Key("name", NEEDED, "letters, digits and `_`, no digit first", "What it is called: in `trial.data`, and in `/data`."),
    "path": Key("text", NEEDED, "an absolute path, without `.` and `..`", "The file or folder, on every machine at that place."),
    "sha256": Key("text", NEEDED, "64 hexadecimal digits", "Its SHA-256; of a folder, that of the list of its files."),
    "reader": _one_of("grader", READERS, "`grader`: the evaluator alone; `candidate`: programs too, at `/data/NAME`."),
}
STAGE: Mapping[str, Key] = {
    "name": Key("name", NEEDED, "letters, digits, `_` and `-`, a letter first", "What the stage is called."),
    "time_s": _number("60", f"above 0, up to {WEEK_S:.0f}", "Seconds on the clock for one measurement, scorer included."),
    "cpu_s": _number("null", f"above 0, up to {64 * WEEK_S:.0f}", "CPU seconds of the program; null: as many as `time_s` allows."),
    "memory_mib": _whole("1024", 32, 1 << 24, "Memory of one sandbox."),
    "cpus": _number("1", "above 0, up to 4096", "Cores that a measurement takes."),
    "gpus": _number(
        "0",
        "from 0 to 1, or a whole number up to 64",
        "GPUs that a measurement takes: whole ones, or a part of one shared with others that take a part.",
    ),
    "exclusive": _flag("Whether nothing else may run on the machine meanwhile."),
    "calibrated": _flag("Whether times are checked against a fixed piece of work."),
    "start": _one_of("cold", tuple(StartMode), "The fastest way in which a program's process may come to life."),
    "batch_size": _whole("1", 1, MAX_BLOCK, "Candidates that may share one block."),
    "pass_score": _number("null", "", "Score that opens the way to the next stage; null: any. The last stage has none."),
}
AXIS: Mapping[str, Key] = {
    "name": Key("name", NEEDED, "letters, digits and `_`, no digit first", "What the axis is called."),
    "source": _one_of("outcome", SOURCES, "`outcome`: the evaluator returns it; `ast`: it is counted in the syntax tree."),
    "low": _number(NEEDED, "", "Where the first cell begins."),
    "high": _number(NEEDED, "above `low`", "Where the last cell ends."),
    "bins": _whole("10", 1, MAX_BINS, "Cells along the axis."),
}
PLACEMENT: Mapping[str, Key] = {
    "labels": Key(
        "mapping", "{}", "label: `value`, `!value`, `in(a, b)` or `!in(a, b)`", "Labels that a node must have, as Ray reads them."
    ),
    "fallback": _list("mappings", "each like `labels`; `{}` is any node", "What counts where no node has them, the first first."),
    "resources": Key("mapping", "{}", "name: amount", "What a slot takes of the cluster's own resources."),
}
GATE: Mapping[str, Key] = {
    "metric": Key("name", NEEDED, "the metric, or one of `secondary`", "The number that is bounded."),
    "floor": _number("null", "needed without `ceiling`", "Least that it can be."),
    "ceiling": _number("null", "needed without `floor`", "Most that it can be."),
    "why": Key("text", NEEDED, f"one line of 1 to {MAX_WHY_CHARS} characters", "How the bound is known."),
}
BUDGET: Mapping[str, Key] = {
    "wall_s": _number("null", f"above 0, up to {1e9:.0f}", "Seconds on the clock, final runs included."),
    "cpu_s": _number("null", f"above 0, up to {1e12:.0f}", "CPU seconds of candidates and scorers."),
    "evaluations": _whole("null", 1, 10**12, "Measurements."),
    "candidates": _whole("null", 1, 10**12, "Children measured."),
}
# The mappings of the file by their place: the page, and what its test walks.
SECTIONS: Mapping[str, Mapping[str, Key]] = {
    "": TOP,
    "params.NAME": PARAM,
    "assets": ASSETS,
    "data[]": DATA,
    "stages[]": STAGE,
    "descriptors[]": AXIS,
    "budget": BUDGET,
    "gates[]": GATE,
    "placement": PLACEMENT,
}
