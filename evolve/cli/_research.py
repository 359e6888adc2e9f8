"""What a run's results are looked into with: ablate."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from evolve._counted import counted
from evolve._errors import EXIT_DONE, ConfigError, UsageError
from evolve.cli._command import JSON, PROBLEM, RUN, Argument, Verb
from evolve.cli.show._text import columns, put, put_json, say

_LIMITS = ("evaluations", "wall_s")


def ablate(words: Namespace) -> int:
    from evolve.config._compose import budget_changes, executor_changes
    from evolve.research._ablate import MOST, PAGE, PICTURE, Wanted, write_table
    from evolve.research._ablate import ablate as take_apart
    from evolve.research._figure import figure
    from evolve.research._report import HEADS, page, rows, sentences

    settings = [word for word in (words.ID, *words.SETTING) if word and "=" in word]
    ids = [word for word in (words.ID, *words.SETTING) if word and "=" not in word]
    if len(ids) > 1:
        raise UsageError(f"expected one candidate, found {counted(len(ids), 'word')}: {', '.join(ids)}.")
    limits = budget_changes(settings)
    if other := [name for name in limits if name not in _LIMITS]:
        raise ConfigError(f"an ablation is limited by {' and '.join(f'budget.{one}' for one in _LIMITS)}, found budget.{other[0]}.")
    wanted = Wanted(
        runs=_whole(words.runs, "--runs", 1),
        most=_whole(words.most, "--most", 2) or MOST,
        evaluations=limits.get("evaluations"),  # type: ignore[arg-type]
        wall_s=limits.get("wall_s"),  # type: ignore[arg-type]
        executor=executor_changes([word for word in settings if word.startswith("executor")]),
        out=Path(words.out) if words.out is not None else None,
    )
    found = take_apart(words.RUN, ids[0] if ids else "best", wanted, problem=words.problem or "", tell=say)
    write_table(found)
    (Path(found.folder) / PICTURE).write_text(figure(found.map), encoding="utf-8")
    (Path(found.folder) / PAGE).write_text(page(found), encoding="utf-8")
    if words.json:
        put_json(found)
    else:
        put(columns([HEADS, *rows(found.map)]))
        put("\n" + "\n".join(sentences(found.map, found.proposed)))
        put(f"\n{Path(found.folder) / PAGE}")
    return EXIT_DONE


def _whole(text: str | None, option: str, least: int) -> int | None:
    """A whole number that was typed, if one was."""
    if text is None:
        return None
    if not text.isdecimal() or int(text) < least:
        raise UsageError(f"{option} takes a whole number from {least}, found {text!r}.")
    return int(text)


VERBS = (
    Verb(
        "ablate",
        "take a candidate apart: what each of its changes contributes, with intervals",
        (
            RUN,
            Argument("ID", "the candidate, as many letters as tell it; default: the best", many="?"),
            Argument("SETTING", "budget.evaluations=N, budget.wall_s=S; executor.slots=N and the like", many="*"),
            Argument("--runs", "measurement seeds for each program of a noisy problem", value="N"),
            Argument("--most", "changes at most; of more the neighbours are joined (default: 20)", value="N"),
            Argument("--out", "where the results go (default: RUN/ablation/ID)", short="-o", value="DIR"),
            PROBLEM,
            JSON,
        ),
        ablate,
        acts=True,
        notes="""\
The candidate is compared with the run's initial program: both, the candidate without each change and the initial program with each
change alone are measured on the same fresh seeds.  Writes ABLATION.md, contributions.svg and table.json.  Without --runs there are
as many seeds as show a contribution of one standard deviation of a measurement; with less budget there are fewer, the same for all
programs.  What is interrupted goes on when the same is typed again.  The program without what is not shown to help is measured
too, and handed in to the run, which decides whether it is better.""",
    ),
)
