"""Checks of the source that the logs carry: data, compiler, validation, and whether it is all there."""

from __future__ import annotations

from evolve._counted import counted
from evolve.speedrun._check import Answer, Case, fails, holds, some, untold
from evolve.speedrun._source import (
    compiler_flags,
    foreign_imports,
    numbers_of,
    shards_of,
    validates_on_training_shards,
    validation_lines,
)

VAL_TOKENS = 10_485_760
BATCH_TOKENS = 524_288  # of track 3
_ALLOWED = {2: "coordinate_descent_tuning"}  # a flag that the rules of a track allow
_NO_SOURCE = "no log carries a source"


def _source(case: Case) -> str:
    return next((log.source for log in case.of.record.logs if log.source), "")


def _base_source(case: Case) -> str:
    return next((log.source for one in case.of.baselines[:1] for log in one.logs if log.source), "")


def data(case: Case) -> Answer:
    """The shards and the number of validation tokens are those of the track, and those of the baseline."""
    source, base = _source(case), _base_source(case)
    if not source:
        return untold(_NO_SOURCE)
    tokens, shards = numbers_of(source, "val_tokens"), shards_of(source)
    if tokens and VAL_TOKENS not in tokens:
        return fails(f"val_tokens is {some([f'{n:,}' for n in sorted(tokens)])}, expected {VAL_TOKENS:,}")
    if crossed := validates_on_training_shards(source):
        return fails(f"validation reads training shards: {crossed[:80]}")
    odd = [name for kind, names in shards.items() for name in names if not name.startswith(f"fineweb_{kind}_")]
    if odd:
        return fails(f"the shards are {some(sorted(odd))}, expected fineweb_train_*.bin and fineweb_val_*.bin")
    if base and (moved := {kind for kind, names in shards_of(base).items() if names != shards[kind] and names and shards[kind]}):
        return fails(f"the {' and '.join(sorted(moved))} shards differ from the baseline's: {some(sorted(shards[min(moved)]))}")
    if case.of.track == 3:
        batch = numbers_of(source, "batch_size")
        if batch and BATCH_TOKENS not in batch:
            return fails(f"batch_size is {some([f'{n:,}' for n in sorted(batch)])}, expected {BATCH_TOKENS:,} tokens")
    if not tokens or not shards["train"] or not shards["val"]:
        lacking = [
            name
            for name, there in (("val_tokens", tokens), ("training shards", shards["train"]), ("validation shards", shards["val"]))
            if not there
        ]
        return untold(f"the source does not give {some(lacking)} as plain text")
    return holds(
        f"{some(sorted(shards['train']))} and {some(sorted(shards['val']))}, {VAL_TOKENS:,} validation tokens, by the source's text"
    )


def compiler(case: Case) -> Answer:
    """No setting of inductor or torch.compile beyond the baseline's."""
    source, base = _source(case), _base_source(case)
    if not source:
        return untold(_NO_SOURCE)
    allowed = _ALLOWED.get(case.of.track, "")
    flags = {flag for flag in compiler_flags(source) if not allowed or not flag.startswith(allowed)}
    if base:
        more = sorted(flags - compiler_flags(base))
        if more:
            return fails(f"{counted(len(more), 'setting')} that the baseline does not have: {some(more)}")
        return holds(f"the source sets nothing of the compiler that the baseline does not set ({counted(len(flags), 'setting')})")
    if flags:
        return untold(f"the source sets {some(sorted(flags))}; whether the record before did is not in the folder")
    return holds("the source sets no flag of inductor, and of torch.compile dynamic and fullgraph alone")


def validation(case: Case) -> Answer:
    """The validation is the baseline's."""
    source, base = _source(case), _base_source(case)
    if not source or not base:
        return untold("there is no baseline with a source to compare it with" if source else _NO_SOURCE)
    different = sorted(validation_lines(source) ^ validation_lines(base))
    if different:
        lines = some([line[:60] for line in different], 2)
        return untold(f"{counted(len(different), 'line')} about validation differ from the baseline's, to be read: {lines}")
    return holds(f"the {len(validation_lines(source))} lines about validation are the baseline's")


def inlined(case: Case) -> Answer:
    """All code that a run needs stands in its log."""
    source = _source(case)
    if not source:
        return untold(_NO_SOURCE)
    foreign = foreign_imports(source)
    if foreign:
        return fails(f"the source imports {some(list(foreign))}, which the log does not carry")
    return holds("the source imports Python's own packages, torch, and what all scripts stand on")
