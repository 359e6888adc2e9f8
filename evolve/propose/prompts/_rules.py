"""What a child may be, in sentences: the same for models, people and agents."""

from __future__ import annotations

from collections.abc import Mapping

from evolve.propose.prompts._context import ProblemBrief
from evolve.propose.prompts._text import one_line


def rules(task: ProblemBrief) -> tuple[str, ...]:
    """The rules that decide whether a child is taken and whether its score stands.  Pure; each is one or two sentences, the
    first says how far a score depends on chance."""
    if task.noisy:
        chance = (
            "Scores are noisy: each measurement draws new seeds, which a program cannot know. What counts is its mean over many, "
            "so a program must not live on luck."
        )
    else:
        chance = (
            "The problem is deterministic: a program must get the same score whenever it is measured, and it is measured again "
            "before anything is reported. Fix the seed of every random number, and let nothing depend on the clock: count steps "
            "instead of seconds."
        )
    files = ", ".join(f"`{path}`" for path in task.editable) or "none"
    added = (
        "New files may be added, under plain relative paths; those that were added may change too. None may go."
        if task.may_add_files
        else "No files may be added, and none may go."
    )
    said = [
        chance,
        f"Files that may change: {files}. {added}",
        "Where a file has lines with EVOLVE-BLOCK-START and EVOLVE-BLOCK-END, only what stands between such a pair may change; "
        "the lines themselves stay.",
        f"All files together have at most {task.max_bytes:,} bytes.",
        f"Besides the standard library of Python, a program may import {', '.join(task.imports) or 'nothing'}.",
    ]
    if task.limits:
        said.append(f"Limits of one evaluation: {task.limits.strip().rstrip('.')}. What goes beyond one of them has no score.")
    if task.params:
        said.append(f"Parameters of the problem in this run: {_params(task.params)}.")
    return tuple(said)


def _params(params: Mapping[str, float | int | str | bool]) -> str:
    return ", ".join(f"{name} = {one_line(str(value), 200)}" for name, value in params.items())
