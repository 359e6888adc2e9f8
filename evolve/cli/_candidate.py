"""One candidate of an opened run: source, artifacts, conversation."""

from __future__ import annotations

import sys
from pathlib import Path

from archive import CallReserved, CallSettled, Status
from evolve._counted import counted
from evolve._errors import RunError, UsageError
from evolve.cli.show._text import one_line, put_source, say
from evolve.views._run_view import RunView
from evolve.views.candidate._candidate import candidate, measured, model_calls


def write_source(opened: RunView, one: int, out: str | None) -> None:
    """The files: the only one as it is, several below headers; with ``out`` into that file, or into a folder (one that is there, or
    that ends with ``/``).  Folders above are made.

    Raises:
        UsageError: several files cannot go into one, or they would go into the run.
    """
    files = opened.texts.files(opened.id_of(one))
    if out is None:
        single = len(files) == 1
        put_source("\n".join(text if single else f"# ==== {path}\n{text}" for path, text in sorted(files.items())))
        return
    target = _target(opened, out)
    if len(files) == 1 and not _is_folder(out):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(next(iter(files.values())), encoding="utf-8")
    elif target.is_file():
        raise UsageError(f"the program has {len(files)} files and {target} is one; name a folder: -o DIR")
    else:
        for path, text in files.items():
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    say(f"wrote {', '.join(sorted(files))} to {target}")


def _target(opened: RunView, out: str) -> Path:
    """Where ``-o`` points: anywhere but into the folder of the run, where a program's file may have the name of one of its own.

    Raises:
        UsageError: it is there.
    """
    target = Path(out)
    if target.resolve().is_relative_to(opened.run.path.resolve()):
        raise UsageError(f"{out} lies in the run's own folder, which only the run writes; name another place: -o DIR")
    return target


def _is_folder(out: str) -> bool:
    return out.endswith("/") or Path(out).is_dir()


def write_artifact(opened: RunView, one: int, name: str, out: str | None) -> None:
    """An artifact of the latest measurement that has it, as bytes; ``name`` of "" is the only one there is.  In a folder it goes by
    its own name.

    Raises:
        UsageError: there are several and none was named, there is none of that name, bytes would go to a terminal, or into the run.
        RunError: no measurement of the candidate kept it.
    """
    declared = opened.problem.contract.artifacts
    if not declared:
        raise UsageError(
            f"{opened.problem.contract.name} declares no artifacts, so no program has one; type --source for its files."
        )
    known = ", ".join(declared)
    if (name and name not in declared) or (not name and len(declared) != 1):
        raise UsageError(f"expected the name of an artifact ({known}), found {name!r}; type: --artifact {next(iter(declared))}")
    name = name or next(iter(declared))
    id_ = opened.id_of(one)
    blobs = [
        record.result.artifacts[name]
        for _, record in measured(opened, id_)
        if record.result.status is Status.OK and name in record.result.artifacts
    ]
    if not blobs:
        raise RunError(f"no measurement of {id_} kept {name}; see: evolve show {opened.quote(id_)}")
    from evolve.evaluate._outcome import unpack_artifact

    limit = opened.problem.contract.max_artifact_bytes
    data = unpack_artifact(blobs[-1], limit)
    if out is not None:
        target = _target(opened, out)
        if _is_folder(out):
            target /= name + declared[name]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        say(f"wrote {counted(len(data), 'byte')} to {target}")
    elif sys.stdout.isatty():
        raise UsageError(
            f"{name} is a file of {counted(len(data), 'byte')} and stdout is a terminal; type: -o {name}{declared[name]}"
        )
    else:
        sys.stdout.buffer.write(data)


def conversation(opened: RunView, one: int) -> str:
    """What a model was asked for a candidate and what it answered, one call after the other: retries, repairs, and the judge's.

    Raises:
        RunError: no model was asked for it.
    """
    parts = []
    for who, record in model_calls(opened, one):
        which = f"{who}, call {record.call}" if who else f"call {record.call}"
        if isinstance(record, CallReserved):
            title, text = f"{which}: asked {record.provider}/{record.model}", record.prompt
        else:
            title, text = f"{which}: {record.outcome}, ${record.usd:.4f}", record.reply
            title += f" ({one_line(record.reason, 300)})" if record.reason else ""
        if text is not None or isinstance(record, CallSettled):  # what only repeats a question keeps no text
            parts.append(f"==== {title}\n\n{opened.texts.unpack(text) if text is not None else ''}".rstrip())
    if not parts:
        found = candidate(opened, one)
        raise RunError(f"no model was asked for {found.id}, which {found.operator} made; see: evolve show {opened.quote(found.id)}")
    return "\n\n".join(parts)
