"""One candidate of an opened run: its description, source, differences and artifacts."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

from archive import CallReserved, CallSettled, Measured, Stamped, Status, find_records
from evolve._counted import counted
from evolve._errors import RunError, UsageError
from evolve.cli._opened import OpenedRun
from evolve.cli.show._json import CandidateAnswer, MeasurementAnswer
from evolve.cli.show._text import one_line, put_source, say
from evolve.search._population import standing
from evolve.views._progress import operator_of
from evolve.views._summary import best_of, stated_gain, word_of

SCHEMA = 1


def describe(opened: OpenedRun, one: int, *, measurements: bool = False) -> CandidateAnswer:
    """What is known of a candidate."""
    state = opened.state
    people = state.population
    row = people.rows[one]
    candidate = opened.texts.candidate(row.id)
    place = standing(people, one) if people.score(one) is not None else None
    seed = standing(people, 0).score if people.score(0) is not None else None
    return CandidateAnswer(
        schema=SCHEMA,
        run=str(opened.run.path),
        problem=state.contract.name,
        metric=state.contract.metric,
        id=row.id,
        status=str(row.status or "not measured"),
        operator=operator_of(state, one),
        parents=tuple(people.rows[parent].id for parent in row.parents),
        generation=row.generation,
        summary=candidate.summary,
        hypothesis=candidate.hypothesis,
        expected=candidate.expected,
        plan=candidate.plan,
        score=place.score if place else None,
        sd=place.sd if place else None,
        n=place.n if place else 0,
        cold=row.cold,
        seed_score=seed,
        gain=stated_gain(state, one),
        verdict=word_of(state, one),
        descriptors=dict(row.descriptors),
        files=opened.texts.files(row.id),
        measurements=tuple(_measurement(stamped) for stamped in _measured(opened, row.id)) if measurements else (),
        unchecked=opened.unchecked() if one == best_of(state) else None,
    )


def diff(opened: OpenedRun, before: int | None, after: int) -> str:
    """A unified diff of two candidates' files; ``before`` of None is nothing at all."""
    rows, texts = opened.state.population.rows, opened.texts
    old = texts.files(rows[before].id) if before is not None else {}
    new = texts.files(rows[after].id)
    lines: list[str] = []
    for path in sorted(old.keys() | new.keys()):
        a, b = (texts.get(path, "").splitlines(keepends=True) for texts in (old, new))
        for line in unified_diff(a, b, f"a/{path}" if path in old else "/dev/null", f"b/{path}" if path in new else "/dev/null"):
            lines.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(lines)


def write_source(opened: OpenedRun, one: int, out: str | None) -> None:
    """The files: the only one as it is, several below headers; with ``out`` into that file, or into a folder.

    Raises:
        UsageError: several files cannot go into one.
    """
    files = opened.texts.files(opened.state.population.rows[one].id)
    if out is None:
        single = len(files) == 1
        put_source("\n".join(text if single else f"# ==== {path}\n{text}" for path, text in sorted(files.items())))
        return
    target = Path(out)
    if len(files) == 1 and not target.is_dir():
        target.write_text(next(iter(files.values())), encoding="utf-8")
    elif target.is_file():
        raise UsageError(f"the program has {len(files)} files and {target} is one; name a folder: -o DIR")
    else:
        for path, text in files.items():
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    say(f"wrote {', '.join(sorted(files))} to {target}")


def write_artifact(opened: OpenedRun, one: int, name: str, out: str | None) -> None:
    """An artifact of the latest measurement that has it, as bytes; ``name`` of "" is the only one there is.

    Raises:
        UsageError: there are several and none was named, there is none of that name, or bytes would go to a terminal.
        RunError: no measurement of the candidate kept it.
    """
    declared = opened.problem.contract.artifacts
    known = ", ".join(declared) or "none"
    if (name and name not in declared) or (not name and len(declared) != 1):
        raise UsageError(f"expected the name of an artifact ({known}), found {name!r}; type: --artifact NAME")
    name = name or next(iter(declared))
    id_ = opened.state.population.rows[one].id
    blobs = [
        stamped.record.result.artifacts[name]
        for stamped in _measured(opened, id_)
        if isinstance(stamped.record, Measured)
        and stamped.record.result.status is Status.OK
        and name in stamped.record.result.artifacts
    ]
    if not blobs:
        raise RunError(f"no measurement of {id_} kept {name}; see: evolve show {shlex.quote(str(opened.run.path))} {id_}")
    from evolve.evaluate._outcome import unpack_artifact

    limit = opened.problem.contract.max_artifact_bytes
    data = unpack_artifact(blobs[-1], limit)
    if out is not None:
        Path(out).write_bytes(data)
        say(f"wrote {counted(len(data), 'byte')} to {out}")
    elif sys.stdout.isatty():
        raise UsageError(
            f"{name} is a file of {counted(len(data), 'byte')} and stdout is a terminal; type: -o {name}{declared[name]}"
        )
    else:
        sys.stdout.buffer.write(data)


def conversation(opened: OpenedRun, one: int) -> str:
    """What a model was asked for a candidate and what it answered, one call after the other, retries and repairs too.

    Raises:
        RunError: no model was asked for it.
    """
    row, parts = opened.state.population.rows[one], []
    for stamped in find_records(opened.run.path, ("call_reserved", "call_settled")):
        record = stamped.record
        if not isinstance(record, CallReserved | CallSettled) or record.attempt.ticket != row.ticket:
            continue
        if isinstance(record, CallReserved):
            title, text = f"call {record.call}: asked {record.provider}/{record.model}", record.prompt
        else:
            title, text = f"call {record.call}: {record.outcome}, ${record.usd:.4f}", record.reply
            title += f" ({one_line(record.reason, 300)})" if record.reason else ""
        if text is not None or isinstance(record, CallSettled):  # a call in a batch is reserved twice, the second time without it
            parts.append(f"==== {title}\n\n{opened.texts.unpack(text) if text is not None else ''}".rstrip())
    if not parts:
        by = operator_of(opened.state, one)
        raise RunError(
            f"no model was asked for {row.id}, which {by} made; see: evolve show {shlex.quote(str(opened.run.path))} {row.id}"
        )
    return "\n\n".join(parts)


def _measured(opened: OpenedRun, id_: str) -> Iterator[Stamped]:
    for stamped in find_records(opened.run.path, ("measured",), mention=id_):
        if isinstance(stamped.record, Measured) and stamped.record.result.candidate == id_:
            yield stamped


def _measurement(stamped: Stamped) -> MeasurementAnswer:
    assert isinstance(stamped.record, Measured)
    result = stamped.record.result
    return MeasurementAnswer(
        seq=stamped.seq,
        stage=result.stage,
        seed=result.seed,
        purpose=stamped.record.purpose,
        status=result.status,
        score=result.score,
        start=result.start,
        tier=result.tier,
        wall_s=result.wall_s,
        cpu_s=result.cpu_s,
        scorer_cpu_s=result.scorer_cpu_s,
        metrics=dict(result.metrics),
        reason=result.reason,
        feedback=result.feedback,
        signals=tuple(result.signals),
    )
