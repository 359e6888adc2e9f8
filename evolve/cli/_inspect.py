"""Looking at a run: status, best, show, lineage."""

from __future__ import annotations

import shlex
from argparse import Namespace
from typing import TYPE_CHECKING

from archive import Purpose, Status
from evolve._counted import counted, far_off_text
from evolve._errors import EXIT_DONE, UsageError
from evolve._untrusted import visible
from evolve.cli._command import JSON, PROBLEM, RUN, Argument, Verb
from evolve.cli.show._learnt import LEARNT, archive_text, learnt_table, ranges_text
from evolve.cli.show._text import (
    all_far_off_text,
    beside,
    columns,
    counts,
    duration,
    evaluator_rows,
    final_rows,
    gain_over,
    gain_with_error,
    models_text,
    number,
    one_line,
    operator_rows,
    pruned_rows,
    put,
    put_json,
    put_source,
    score,
    signed,
    unchecked_text,
    unfit_rows,
    where_rows,
)
from evolve.problem.contract._contract import INCOMPLETE
from evolve.views._progress import BY_NOBODY
from evolve.views._summary import CONFIRMED, ONCE

if TYPE_CHECKING:
    from evolve.views._progress import Progress
    from evolve.views._run_view import RunView
    from evolve.views.candidate._candidate import Candidate
    from evolve.views.candidate._lineage import LineageStep


def status(words: Namespace) -> int:
    from evolve.cli.show._json_runs import any_status_json
    from evolve.cli.show._suite import suite_status
    from evolve.engine._reading import view_all
    from evolve.views._run_view import named_view

    views = view_all(words.RUN)
    problem = words.problem or ""
    if words.journal and words.json:
        raise UsageError("--journal and --json are two forms; ask for one.")
    if words.journal:
        from evolve.views.notebook._markdown import markdown
        from evolve.views.notebook._notebook import notebook

        put_source(markdown(notebook(views if not problem else (named_view(views, problem),))))
    elif words.json:
        put_json(any_status_json(views, problem))
    elif len(views) > 1 and not problem:
        put(suite_status(views))
    else:
        opened = named_view(views, problem)
        put(columns(_status_rows(opened)))
        if table := learnt_table(opened.learnt(), opened.quote("--json")):
            put(f"\n{LEARNT}\n{table}")
    return EXIT_DONE


def best(words: Namespace) -> int:
    from evolve.cli import _candidate
    from evolve.cli.show._json_runs import any_json, best_json
    from evolve.cli.show._suite import suite_best
    from evolve.engine._reading import view_all
    from evolve.views._run_view import named_view
    from evolve.views.candidate._candidate import diff

    asked = [name for name in ("source", "diff") if getattr(words, name)] + (["artifact"] if words.artifact is not None else [])
    if len(asked) > 1:
        raise UsageError(f"--{asked[0]} and --{asked[1]} are two questions; ask one.")
    if asked and words.json:
        raise UsageError(f"--{asked[0]} and --json are two forms; evolve best RUN --json holds the files too.")
    views = view_all(words.RUN)
    if len(views) > 1 and not (words.problem or asked or words.out):
        put_json(any_json(views, "", best_json)) if words.json else put(suite_best(views))
        return EXIT_DONE
    opened = named_view(views, words.problem or "")
    leader = opened.leader()
    if words.artifact is not None:
        _candidate.write_artifact(opened, leader, words.artifact, words.out)
    elif words.source:
        _candidate.write_source(opened, leader, words.out)
    elif words.out is not None:
        raise UsageError(_out_alone(words, opened))
    elif words.diff:
        put_source(diff(opened, 0, leader))
    elif words.json:
        put_json(best_json(opened))
    else:
        put(columns(_candidate_rows(opened, leader)))
        put(f"\nhow it came about\n{_line(opened, leader)}")
        put(f"\nnext: evolve best {opened.quote()} --diff | --source{_artifact_hint(opened)}")
    return EXIT_DONE


def _out_alone(words: Namespace, opened: RunView) -> str:
    """What somebody is told who gave ``-o`` and nothing that goes there."""
    out = shlex.quote(words.out)
    said = "-o is where the files go with --source, and an artifact with --artifact"
    if words.diff or words.json:
        what = "--diff" if words.diff else "--json"
        return f"{said}; {what} goes to stdout, type: evolve best {opened.quote(what)} > {out}"
    return f"{said}, found neither; type: evolve best {opened.quote(f'--source -o {out}')}"


def show(words: Namespace) -> int:
    from evolve.cli import _candidate
    from evolve.cli.show._json_runs import candidate_json
    from evolve.engine._reading import view_run
    from evolve.views.candidate._candidate import diff, measured

    opened = view_run(words.RUN, words.problem or "", words.ID)
    one = opened.candidate(words.ID)
    if words.prompt:
        if words.json:
            raise UsageError("--prompt and --json are two forms; ask for one.")
        put_source(_candidate.conversation(opened, one))
        return EXIT_DONE
    if words.diff:
        put_source(diff(opened, opened.parent_of(one), one))
        return EXIT_DONE
    if words.json:
        put_json(candidate_json(opened, one, measurements=True))
        return EXIT_DONE
    rows, runs = _candidate_rows(opened, one), [record for _, record in measured(opened, opened.id_of(one))]
    if signals := sorted({signal for run in runs for signal in run.result.signals}):
        rows.append(("signals", f"{', '.join(signals)} (what its text shows, or was seen beside it; decides nothing)"))
    put(columns(rows))
    put("")
    for run in runs:
        each = run.result
        value = number(each.score) if each.score is not None else one_line(each.reason)
        cost = f"{each.wall_s:.3g} s, {each.cpu_s:.3g} s CPU"
        purpose = "initial" if run.purpose is Purpose.INITIAL else run.purpose  # which records call otherwise
        put(f"{purpose:<10}{each.stage:<8}{each.start:<6}{each.status:<16}{value}  ({cost}, seed {each.seed})")
        if words.log or each.status == Status.EVALUATOR_ERROR or each.reason.startswith(INCOMPLETE):
            put("\n".join(f"    {line}" for text in (each.reason, each.feedback) for line in visible(text).splitlines()) or "    -")
    return EXIT_DONE


def lineage(words: Namespace) -> int:
    from evolve.cli.show._json_runs import lineage_json
    from evolve.engine._reading import view_run

    opened = view_run(words.RUN, words.problem or "", words.ID or "")
    one = opened.candidate(words.ID or "best")
    if words.json:
        put_json(lineage_json(opened, one, all_parents=words.all))
    else:
        put(_line(opened, one, all_parents=words.all))
    return EXIT_DONE


# ------------------------------------------------------------------------------------------------ words


def _status_rows(opened: RunView) -> list[tuple[str, str]]:
    from evolve.cli.external._external import outlook_lines

    seen, contract, run = opened.progress(), opened.problem.contract, str(opened.run.path)
    reason = f" ({one_line(opened.reason, 400)})" if opened.reason not in ("", opened.status) else ""
    rows = [
        ("run", run),
        ("status", f"{opened.status}{reason}"),
        ("problem", f"{contract.name}: {contract.goal} {contract.metric}"),
        *where_rows(opened),
        ("sandbox", opened.tier),
        *unfit_rows(opened.unfit),
    ]
    if opened.given_up:
        rows.append(("given up", one_line(opened.given_up, 400)))
    if contract.caveat:
        rows.append(("score", contract.caveat))
    rows += _score_rows(opened, seen)
    rows.append(("tried", f"{counted(seen.candidates, 'candidate')}, {counted(seen.measurements, 'measurement')}"))
    if seen.failures:
        rows.append(("failures", counts(seen.failures)))
    rows += pruned_rows(seen.pruned)
    rows += evaluator_rows(seen.evaluator, opened)
    if seen.course:
        rows.append(("search", seen.course))
    rows.append(("archive", archive_text(seen.spread)))
    if ranges := ranges_text(seen.spread):
        rows.append(("ranges", ranges))
    if opened.descriptors_verdict:
        rows.append(("", opened.descriptors_verdict))
    rows += operator_rows(seen.shares)
    if seen.noise is not None:
        noise = seen.noise
        text = f"sd {noise.sd:.3g} of one measurement (90 % interval {noise.low:.3g} to {noise.high:.3g}, df {noise.df})"
        rows.append(("noise", text))
    if seen.not_deterministic:
        rows.append(("noise", f"NOTE: {seen.not_deterministic}"))
    if seen.beyond:
        rows.append(("scores", f"NOTE: {seen.beyond}"))
    if seen.far_off is not None:
        rows.append(("far off", all_far_off_text(seen.far_off)))
    if seen.champion_id is not None:
        rows.append(("champion", seen.champion_id))
    if seen.openings:
        rows.append(
            (
                "claims",
                f"{seen.claims} confirmed of {counted(seen.openings, 'vault')}; see: evolve claims {opened.quote()}",
            )
        )
    rows.append(("spent", f"{duration(seen.elapsed_s)} on the clock, {duration(seen.cpu_s)} of CPU"))
    if models := models_text(seen.models, seen.budget):
        rows.append(("models", models))
    first, *more = outlook_lines(opened.outlook())
    return [*rows, ("outlook", first), *(("", line) for line in more)]


def _score_rows(opened: RunView, seen: Progress) -> list[tuple[str, str]]:
    """What initial program and best score, and by how much that is better."""
    rows: list[tuple[str, str]] = []
    contract = opened.problem.contract
    if seen.seed is not None:
        wild = beside(far_off_text(seen.seed.n, seen.seed.far_off))
        rows.append(("initial", f"{number(seen.seed.score)} {contract.unit}".strip() + wild))
    if seen.best is not None:
        value = score(seen.best.score, seen.best.sd, seen.best.n, contract.unit, seen.best.far_off)
        made = ", the initial program" if seen.best_operator == BY_NOBODY else f" by {seen.best_operator}"
        rows.append(("best", f"{value}  {seen.best.id}{made}"))
    if (waits := opened.unchecked()) is not None:
        rows.append(("", unchecked_text(waits)))
    if (final := opened.final_runs()) is not None:
        rows += final_rows(final)
    elif seen.gain is not None and seen.seed is not None and seen.word != CONFIRMED:  # claims has the estimate
        rows.append(("gain", gain_with_error(seen.gain, seen.seed.score, None) + (f", {seen.word}" if seen.word else "")))
    elif seen.gain is None and seen.word:
        rows.append(("gain", f"none is stated: {seen.word}" if seen.word == ONCE else seen.word))
    return rows


def _candidate_rows(opened: RunView, one: int) -> list[tuple[str, str]]:
    from evolve.views.candidate._candidate import candidate

    found, contract, seed_score = candidate(opened, one), opened.problem.contract, opened.seed_score()
    rows = [("candidate", found.id), ("status", found.status)]
    if found.score is not None and found.sd is not None:
        rows.append((contract.metric, score(found.score, found.sd, found.n, contract.unit, found.far_off)))
    if contract.caveat:
        rows.append(("score", contract.caveat))
    if one == opened.best() and (waits := opened.unchecked()) is not None:
        rows.append(("better", unchecked_text(waits)))
    if one == opened.best() and (final := opened.final_runs()) is not None:
        rows += final_rows(final)
    elif found.gain is not None and seed_score is not None and found.operator != BY_NOBODY and found.verdict != CONFIRMED:
        rows.append(("gain", gain_over(found.gain, seed_score, found.gain_se, found.gain_from)))
    if found.verdict:
        more = f"; its effect: evolve claims {opened.quote()}" if found.verdict == CONFIRMED else ""
        rows.append(("verdict", f"{found.verdict}{more}"))
    if found.operator == BY_NOBODY:
        rows.append(("is", "the initial program"))
    else:
        rows.append(("made by", f"{found.operator}: {one_line(found.summary)}" if found.summary else found.operator))
    said = (("hypothesis", found.hypothesis), ("expected", found.expected), ("plan", found.plan), ("drift", found.drift))
    rows += [(name, one_line(text, 400)) for name, text in said if text]
    if found.parents:
        rows.append(("did", _did(opened, found)))
        rows.append(("parents", ", ".join(found.parents)))
    if found.descriptors:
        rows.append(("stands at", ", ".join(f"{name} {value:.4g}" for name, value in found.descriptors.items())))
    return rows


def _did(opened: RunView, child: Candidate) -> str:
    """What a child changed and what that came to: to be read beside what was planned and expected."""
    from archive import changed_lines
    from evolve.views.candidate._result import result_of

    added, removed = changed_lines(opened.texts.files(child.parents[0]), child.files)
    text = f"+{added} -{removed} lines against its parent"
    found = result_of(opened, child.id)
    if found.effect_gain is None:
        return text
    spread = f" ± {found.effect_sd:.2g}" if found.effect_sd else ""
    return f"{text}; {opened.problem.contract.metric} {signed(opened.sign * found.effect_gain, found.effect_sd or 0.0)}{spread}"


def _line(opened: RunView, one: int, *, all_parents: bool = False) -> str:
    from evolve.views.candidate._lineage import lineage

    return story_text(lineage(opened, one, all_parents=all_parents))


def story_text(steps: tuple[LineageStep, ...]) -> str:
    """A lineage as aligned lines, oldest first."""
    rows = []
    for step in steps:
        value = number(step.score) if step.score is not None else str(step.status or "not measured")
        changed = f"+{step.added} -{step.removed}" if step.parents else ""
        made = "initial" if step.operator == BY_NOBODY else step.operator
        rows.append((step.id[:10], value, made, changed, one_line(step.summary, 80)))
    return columns(rows)


def _artifact_hint(opened: RunView) -> str:
    return " | --artifact -o FILE" if opened.problem.contract.artifacts else ""


_OUT = Argument("--out", "write it to this file, or into this folder, instead of to stdout", short="-o", value="FILE")

VERBS = (
    Verb(
        "status",
        "how a run stands, live or ended",
        (
            RUN,
            Argument("--journal", "its lab journal, as Markdown: what was tried, what moved, what failed, what is next"),
            PROBLEM,
            JSON,
        ),
        status,
    ),
    Verb(
        "best",
        "the best program of a run",
        (
            RUN,
            Argument("--source", "its files"),
            Argument("--diff", "what differs from the initial program"),
            Argument("--artifact", "a file it produced, checked when it was measured", value="NAME", many="?"),
            _OUT,
            PROBLEM,
            JSON,
        ),
        best,
    ),
    Verb(
        "show",
        "one candidate: score, origin, measurements",
        (
            RUN,
            Argument("ID", "its id or the beginning of it; also: best, initial"),
            Argument("--diff", "what differs from its parent"),
            Argument("--log", "with reasons and feedback in full"),
            Argument("--prompt", "what its model was asked, and what it answered"),
            PROBLEM,
            JSON,
        ),
        show,
    ),
    Verb(
        "lineage",
        "how a candidate came about",
        (
            RUN,
            Argument("ID", "its id or the beginning of it; default: the best", many="?"),
            Argument("--all", "all parents, not only the first ones"),
            PROBLEM,
            JSON,
        ),
        lineage,
    ),
)
