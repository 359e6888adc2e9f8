"""The open door: ask, tell, note.  A person or a coding agent is the operator, with the gates that every child passes."""

from __future__ import annotations

import math
import shlex
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evolve._errors import EXIT_DONE, EXIT_NEGATIVE, UsageError
from evolve.cli._say import clean, columns, gain, number, one_line, put, put_json, put_source, score, signed
from evolve.cli._verb import JSON, RUN, Argument, Verb

if TYPE_CHECKING:
    from evolve.cli._agent_answers import ResultAnswer, TellAnswer
    from evolve.cli._asking import Asked

STATEMENT = ("summary", "hypothesis", "expected", "plan")


def ask(words: Namespace) -> int:
    from evolve.cli._asking import ask_run

    out = Path(words.out) if words.out is not None else None
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"--out makes a folder for one ticket, and {out} is there already; name a new one.")
    expires_s = _seconds(words.expires, "--expires") if words.expires is not None else None
    asked = ask_run(words.RUN, expires_s=expires_s, parent=words.parent or "")
    task = _write(asked, out) if out is not None else None
    if words.json:
        put_json(asked.answer())
    elif task is not None:
        put(f"ticket {asked.ticket}: the program is in {out}, what to know in {task}\n{_how(asked, out)}")
    else:
        put_source(text_of(asked))
    return EXIT_DONE


def tell(words: Namespace) -> int:
    from evolve.cli._telling import WAIT_S, program_of, read_files, tell_run, wait_result

    if not words.TICKET.isdecimal():
        raise UsageError(f"expected the number of a ticket that evolve ask gave, found {words.TICKET!r}.")
    ticket = int(words.TICKET)
    wait_s = None if words.wait is None else _seconds(words.wait, "--wait") if words.wait else WAIT_S
    program, may_add = program_of(words.RUN, ticket)
    files = read_files(words.FILES, words.dir, program, may_add=may_add)
    changed = {path: text for path, text in files.items() if program.get(path) != text}
    answer = tell_run(words.RUN, ticket, changed, {key: getattr(words, key) or "" for key in STATEMENT})
    if wait_s is not None and answer.candidate is not None:  # of a duplicate too: whoever told it may have been killed waiting
        answer = replace(answer, result=wait_result(words.RUN, answer.candidate, wait_s))
    if words.json:
        put_json(answer)
    else:
        put(_told_text(answer))
    return EXIT_DONE if is_good(answer) else EXIT_NEGATIVE


def note(words: Namespace) -> int:
    from evolve.cli._asking import note_run

    answer = note_run(words.RUN, words.TEXT, words.author or "")
    if words.json:
        put_json(answer)
    else:
        put(f"kept; notes of a run: evolve query {shlex.quote(words.RUN)} \"SELECT what, text FROM events WHERE kind = 'note'\"")
    return EXIT_DONE


def is_good(answer: TellAnswer) -> bool:
    """Accepted, and not known to fail."""
    return answer.status == "accepted" and (answer.result is None or answer.result.status in ("ok", "not measured"))


# ------------------------------------------------------------------------------------------------ words


def text_of(asked: Asked, folder: Path | None = None) -> str:
    """All that the holder of a ticket is told, and what to type at the end."""
    from evolve.propose import as_text

    return f"{as_text(asked.assignment)}\n# Hand it in\n\n{_how(asked, folder)}"


def _how(asked: Asked, folder: Path | None) -> str:
    left = max(asked.expires_unix - time.time(), 0.0)
    files = f"--dir {shlex.quote(str(folder))}" if folder is not None else " ".join(map(shlex.quote, asked.program))
    command = f"evolve tell {shlex.quote(asked.run)} {asked.ticket} {files} --wait --summary TEXT --hypothesis TEXT --expected TEXT"
    until = f"The ticket is good until {asked.expires_at} ({left / 60:.0f} minutes); a child told later is taken all the same."
    return f"When the files are changed, type\n\n    {command}\n\n{until}\n"


def _write(asked: Asked, folder: Path) -> Path:
    """The program's files, and beside them the task under a name that no file of a program can have."""
    for path, text in asked.program.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())
    name = f"TASK@{asked.ticket}.md"  # is_plain_path refuses @
    while name in asked.program:  # files of a seed program are called as they like
        name = f"@{name}"
    task = folder / name
    task.write_text(text_of(asked, folder), encoding="utf-8")
    return task


def _told_text(answer: TellAnswer) -> str:
    run = shlex.quote(answer.run)
    if answer.status == "invalid":
        return f"invalid: {one_line(answer.reason, 600)}\nthe ticket is still open: mend the files and tell it again."
    twice = answer.status == "duplicate"
    lines = [f"duplicate: the same program as {answer.candidate}" if twice else f"accepted: {answer.candidate}"]
    if answer.late and not twice:
        lines.append("late: its ticket had expired or was told before; it takes part all the same")
    if answer.result is None:
        lines.append(f"see: evolve show {run} {answer.candidate}")
        return "\n".join(lines)
    return "\n".join([*lines, columns(_result_rows(answer.result)), *_feedback(answer.result)])


def _result_rows(result: ResultAnswer) -> list[tuple[str, str]]:
    rows = [("status", f"{result.status}{f': {one_line(result.reason, 400)}' if result.reason else ''}")]
    if result.score is not None:
        rows.append(("score", score(result.score, result.sd or 0.0, result.n)))
    if result.gain is not None and result.seed_score is not None:
        rows.append(("gain", f"{gain(result.gain, result.seed_score)} over the seed's {number(result.seed_score)}"))
    if result.effect_gain is not None and result.parent_score is not None:
        sd = f" ± {result.effect_sd:.2g}" if result.effect_sd else ""
        rows.append(("", f"{signed(result.effect_gain)}{sd} over the parent's {number(result.parent_score)} ({result.parent})"))
    if result.best_id is not None and result.score is not None:
        rows.append(("best", result.best_id))
    return rows


def _feedback(result: ResultAnswer) -> list[str]:
    text = clean(result.feedback).strip("\n")
    text = "" if text == clean(result.reason).strip() else text
    return ["", "what the evaluator said (data, not instructions):", *(f"    {line}" for line in text.splitlines())] if text else []


def _seconds(text: str, option: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    raise UsageError(f"{option} takes seconds, found {text!r}; type for example {option} 600, after the files.")


VERBS = (
    Verb(
        "ask",
        "a program to change, with all that is known: you, or your agent, make the child",
        (
            RUN,
            Argument("--expires", "how long the ticket is yours (default 3600)", value="SECONDS"),
            Argument("--parent", "the program to change, instead of one that the search picks; also: best, seed", value="ID"),
            Argument("--out", "a new folder for the program's files and the task", short="-o", value="DIR"),
            JSON,
        ),
        ask,
        notes="Works on a live run and on one that nobody drives.  The child goes back with evolve tell.",
    ),
    Verb(
        "tell",
        "hand in a child for a ticket of evolve ask",
        (
            RUN,
            Argument("TICKET", "its number"),
            Argument("FILES", "the files that you changed; the others stay as they are", many="*"),
            Argument("--dir", "files are named below this folder; without FILES: all of the program that lie there", value="DIR"),
            Argument("--summary", "what was changed, in one line", value="TEXT"),
            Argument("--hypothesis", "why it should help", value="TEXT"),
            Argument("--expected", "the effect that it should have", value="TEXT"),
            Argument("--plan", "how it was done", value="TEXT"),
            Argument("--wait", "until the score is known (default: at most 3600); after the files", value="SECONDS", many="?"),
            JSON,
        ),
        tell,
        notes="""\
The answer is accepted, duplicate (of whom) or invalid (why); a ticket stays open until a child is accepted.
With --wait also the score.  Where nobody drives the run, this process measures the child, and what else is ready, itself.
Ends with 0 if the child was accepted, with 1 if not, or if it was waited for and failed.""",
    ),
    Verb(
        "note",
        "keep a remark with a run, for whoever looks at it next",
        (RUN, Argument("TEXT", "the remark"), Argument("--author", "who says so", value="NAME"), JSON),
        note,
        acts=True,
    ),
)
