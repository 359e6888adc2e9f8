"""Looking at a run: status, best, show, lineage."""

from __future__ import annotations

import shlex
from argparse import Namespace
from typing import TYPE_CHECKING

from archive import Status
from evolve._counted import counted
from evolve._errors import EXIT_DONE, UsageError
from evolve._untrusted import visible
from evolve.cli._command import JSON, RUN, Argument, Verb
from evolve.cli.show._text import (
    columns,
    counts,
    duration,
    evaluator_rows,
    gain,
    models_text,
    number,
    one_line,
    put,
    put_json,
    put_source,
    score,
    signed,
    unchecked_text,
)
from evolve.problem._contract import INCOMPLETE
from evolve.views._summary import CONFIRMED, ONCE

if TYPE_CHECKING:
    from evolve.cli.show._json import CandidateAnswer, StatusAnswer
    from evolve.views._lineage import LineageStep
    from evolve.views._run_view import RunView

SCHEMA = 1


def status(words: Namespace) -> int:
    from evolve.engine._reading import view_run

    answer = status_answer(view_run(words.RUN))
    if words.json:
        put_json(answer)
    else:
        put(columns(_status_rows(answer)))
    return EXIT_DONE


def best(words: Namespace) -> int:
    from evolve.cli import _candidate
    from evolve.engine._reading import view_run
    from evolve.views._candidate import diff

    asked = [name for name in ("source", "diff") if getattr(words, name)] + (["artifact"] if words.artifact is not None else [])
    if len(asked) > 1:
        raise UsageError(f"--{asked[0]} and --{asked[1]} are two questions; ask one.")
    if asked and words.json:
        raise UsageError(f"--{asked[0]} and --json are two forms; evolve best RUN --json holds the files too.")
    opened = view_run(words.RUN)
    leader = opened.leader()
    if words.artifact is not None:
        _candidate.write_artifact(opened, leader, words.artifact, words.out)
    elif words.source:
        _candidate.write_source(opened, leader, words.out)
    elif words.out is not None:
        raise UsageError("-o says where --source or --artifact go; name one of the two.")
    elif words.diff:
        put_source(diff(opened, 0, leader))
    elif words.json:
        put_json(_candidate.candidate_view(opened, leader))
    else:
        put(columns(_candidate_rows(opened, _candidate.candidate_view(opened, leader))))
        put(f"\nhow it came about\n{_line(opened, leader)}")
        put(f"\nnext: evolve best {shlex.quote(str(opened.run.path))} --diff | --source{_artifact_hint(opened)}")
    return EXIT_DONE


def show(words: Namespace) -> int:
    from evolve.cli import _candidate
    from evolve.engine._reading import view_run
    from evolve.views._candidate import diff

    opened = view_run(words.RUN)
    one = opened.candidate(words.ID)
    if words.prompt:
        if words.json:
            raise UsageError("--prompt and --json are two forms; ask for one.")
        put_source(_candidate.conversation(opened, one))
        return EXIT_DONE
    if words.diff:
        put_source(diff(opened, opened.parent_of(one), one))
        return EXIT_DONE
    answer = _candidate.candidate_view(opened, one, measurements=True)
    if words.json:
        put_json(answer)
        return EXIT_DONE
    rows = _candidate_rows(opened, answer)
    if signals := sorted({signal for each in answer.measurements for signal in each.signals}):
        rows.append(("signals", f"{', '.join(signals)} (what its text shows; decides nothing)"))
    put(columns(rows))
    put("")
    for each in answer.measurements:
        value = number(each.score) if each.score is not None else one_line(each.reason)
        cost = f"{each.wall_s:.3g} s, {each.cpu_s:.3g} s CPU"
        put(f"{each.purpose:<10}{each.stage:<8}{each.start:<6}{each.status:<16}{value}  ({cost}, seed {each.seed})")
        if words.log or each.status == Status.EVALUATOR_ERROR or each.reason.startswith(INCOMPLETE):
            put("\n".join(f"    {line}" for text in (each.reason, each.feedback) for line in visible(text).splitlines()) or "    -")
    return EXIT_DONE


def lineage(words: Namespace) -> int:
    from evolve.cli.show._json import LineageAnswer
    from evolve.engine._reading import view_run
    from evolve.views._lineage import lineage

    opened = view_run(words.RUN)
    one = opened.candidate(words.ID or "best")
    if words.json:
        steps = lineage(opened, one, all_parents=words.all)
        put_json(LineageAnswer(SCHEMA, str(opened.run.path), opened.id_of(one), steps))
    else:
        put(_line(opened, one, all_parents=words.all))
    return EXIT_DONE


# ------------------------------------------------------------------------------------------------ words


def status_answer(opened: RunView) -> StatusAnswer:
    """How an opened run stands."""
    from evolve.cli.show._json import StatusAnswer

    seen, contract = opened.progress(), opened.problem.contract
    return StatusAnswer(
        schema=SCHEMA,
        run=str(opened.run.path),
        status=opened.status,
        reason=opened.reason,
        problem=contract.name,
        metric=contract.metric,
        goal=contract.goal,
        unit=contract.unit,
        noisy=contract.noisy,
        tier=opened.tier,
        seed_score=seen.seed.score if seen.seed else None,
        best_score=seen.best.score if seen.best else None,
        best_sd=seen.best.sd if seen.best else None,
        best_n=seen.best.n if seen.best else 0,
        best_id=seen.best.id if seen.best else None,
        best_operator=seen.best_operator,
        gain=seen.gain,
        noise=seen.noise,
        word=seen.word,
        champion_id=seen.champion_id,
        claims=seen.claims,
        openings=seen.openings,
        set_aside=seen.set_aside,
        candidates=seen.candidates,
        measurements=seen.measurements,
        failures=seen.failures,
        filled=seen.filled,
        cells=seen.cells,
        operators=seen.shares,
        wall_s=round(seen.elapsed_s, 3),
        cpu_s=round(seen.cpu_s, 3),
        budget=seen.budget,
        models=seen.models,
        outlook=opened.outlook(),
        not_deterministic=seen.not_deterministic,
        beyond=seen.beyond,
        unchecked=opened.unchecked(),
        evaluator=seen.evaluator,
        caveat=contract.caveat,
    )


def _status_rows(answer: StatusAnswer) -> list[tuple[str, str]]:
    from evolve.cli._external import outlook_lines

    reason = f" ({one_line(answer.reason, 400)})" if answer.reason not in ("", answer.status) else ""
    rows = [
        ("run", answer.run),
        ("status", f"{answer.status}{reason}"),
        ("problem", f"{answer.problem}: {answer.goal} {answer.metric}"),
        ("sandbox", answer.tier),
    ]
    if answer.caveat:
        rows.append(("score", answer.caveat))
    if answer.seed_score is not None:
        rows.append(("initial", f"{number(answer.seed_score)} {answer.unit}".strip()))
    if answer.best_score is not None and answer.best_sd is not None:
        value = score(answer.best_score, answer.best_sd, answer.best_n, answer.unit)
        rows.append(("best", f"{value}  {answer.best_id} by {answer.best_operator}"))
    if answer.unchecked is not None:
        rows.append(("", unchecked_text(answer.unchecked)))
    if answer.gain is not None and answer.seed_score is not None and answer.word != CONFIRMED:  # claims has the estimate
        rows.append(("gain", gain(answer.gain, answer.seed_score) + (f", {answer.word}" if answer.word else "")))
    elif answer.gain is None and answer.word:
        rows.append(("gain", f"none is stated: {answer.word}" if answer.word == ONCE else answer.word))
    rows.append(("tried", f"{counted(answer.candidates, 'candidate')}, {counted(answer.measurements, 'measurement')}"))
    if answer.failures:
        rows.append(("failures", counts(answer.failures)))
    rows += evaluator_rows(answer.evaluator, answer.run)
    rows.append(
        ("archive", f"{answer.filled} of {counted(answer.cells, 'cell')}" if answer.cells else counted(answer.filled, "elite"))
    )
    rows.append(("children", counts({one.operator: one.children for one in answer.operators})))
    if answer.noise is not None:
        noise = answer.noise
        text = f"sd {noise.sd:.3g} of one measurement (90 % interval {noise.low:.3g} to {noise.high:.3g}, df {noise.df})"
        rows.append(("noise", text))
    if answer.not_deterministic:
        rows.append(("noise", f"NOTE: {answer.not_deterministic}"))
    if answer.beyond:
        rows.append(("scores", f"NOTE: {answer.beyond}"))
    if answer.champion_id is not None:
        rows.append(("champion", answer.champion_id))
    if answer.openings:
        rows.append(
            (
                "claims",
                f"{answer.claims} confirmed of {counted(answer.openings, 'vault')}; see: evolve claims {shlex.quote(answer.run)}",
            )
        )
    rows.append(("spent", f"{duration(answer.wall_s)} on the clock, {duration(answer.cpu_s)} of CPU"))
    if models := models_text(answer.models, answer.budget):
        rows.append(("models", models))
    if answer.outlook is not None:
        first, *more = outlook_lines(answer.outlook)
        rows += [("outlook", first), *(("", line) for line in more)]
    return rows


def _candidate_rows(opened: RunView, answer: CandidateAnswer) -> list[tuple[str, str]]:
    unit = opened.problem.contract.unit
    rows = [("candidate", answer.id), ("status", answer.status)]
    if answer.score is not None and answer.sd is not None:
        rows.append((answer.metric, score(answer.score, answer.sd, answer.n, unit)))
    if answer.caveat:
        rows.append(("score", answer.caveat))
    if answer.unchecked is not None:
        rows.append(("better", unchecked_text(answer.unchecked)))
    if answer.gain is not None and answer.seed_score is not None and answer.operator != "seed" and answer.verdict != CONFIRMED:
        rows.append(("gain", f"{gain(answer.gain, answer.seed_score)} over the seed's {number(answer.seed_score)}"))
    if answer.verdict:
        more = f"; its effect: evolve claims {shlex.quote(str(opened.run.path))}" if answer.verdict == CONFIRMED else ""
        rows.append(("verdict", f"{answer.verdict}{more}"))
    rows.append(("made by", f"{answer.operator}: {one_line(answer.summary)}" if answer.summary else answer.operator))
    said = (("hypothesis", answer.hypothesis), ("expected", answer.expected), ("plan", answer.plan))
    rows += [(name, one_line(text, 400)) for name, text in said if text]
    if answer.parents:
        rows.append(("did", _did(opened, answer)))
        rows.append(("parents", ", ".join(answer.parents)))
    if answer.descriptors:
        rows.append(("stands at", ", ".join(f"{name} {value:.4g}" for name, value in answer.descriptors.items())))
    return rows


def _did(opened: RunView, answer: CandidateAnswer) -> str:
    """What a child changed and what that came to: to be read beside what was planned and expected."""
    from archive import changed_lines
    from evolve.views._result import result_of

    added, removed = changed_lines(opened.texts.files(answer.parents[0]), answer.files)
    text = f"+{added} -{removed} lines against its parent"
    found = result_of(opened, answer.id)
    if found.effect_gain is None:
        return text
    spread = f" ± {found.effect_sd:.2g}" if found.effect_sd else ""
    return f"{text}; {answer.metric} {signed(opened.sign * found.effect_gain, found.effect_sd or 0.0)}{spread}"


def _line(opened: RunView, one: int, *, all_parents: bool = False) -> str:
    from evolve.views._lineage import lineage

    return story_text(lineage(opened, one, all_parents=all_parents))


def story_text(steps: tuple[LineageStep, ...]) -> str:
    """A lineage as aligned lines, oldest first."""
    rows = []
    for step in steps:
        value = number(step.score) if step.score is not None else str(step.status or "not measured")
        changed = f"+{step.added} -{step.removed}" if step.parents else ""
        rows.append((step.id[:10], value, step.operator, changed, one_line(step.summary, 80)))
    return columns(rows)


def _artifact_hint(opened: RunView) -> str:
    return " | --artifact -o FILE" if opened.problem.contract.artifacts else ""


_OUT = Argument("--out", "write it to this file or folder instead of stdout", short="-o", value="FILE")

VERBS = (
    Verb("status", "how a run stands, live or ended", (RUN, JSON), status),
    Verb(
        "best",
        "the best program of a run",
        (
            RUN,
            Argument("--source", "its files"),
            Argument("--diff", "what differs from the initial program"),
            Argument("--artifact", "a file it produced, checked when it was measured", value="NAME", many="?"),
            _OUT,
            JSON,
        ),
        best,
    ),
    Verb(
        "show",
        "one candidate: score, origin, measurements",
        (
            RUN,
            Argument("ID", "its id or the beginning of it; also: best, seed"),
            Argument("--diff", "what differs from its parent"),
            Argument("--log", "with reasons and feedback in full"),
            Argument("--prompt", "what its model was asked, and what it answered"),
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
            JSON,
        ),
        lineage,
    ),
)
