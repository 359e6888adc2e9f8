"""How a candidate came about: its ancestors, what each changed, and what that was worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from archive.elites._posterior import Pooled
from archive.journal._reader import read_journal
from archive.journal._texts import TextStore
from archive.records._records import (
    BlockClosed,
    Measured,
    Proposed,
    ProposeIssued,
    Retraction,
    RunCreated,
)
from archive.records._values import (
    Arm,
    BlockStatus,
    Candidate,
    Status,
)


@dataclass(frozen=True, slots=True)
class LineageStep:
    """One ancestor, or the candidate itself.

    ``score`` and ``sd`` are the posterior at ``stage``, the highest with an ok measurement, in the problem's own sign; None unless
    ``status`` is ok.  ``added`` and ``removed`` count lines against the first parent's files.
    """

    id: str
    parents: tuple[str, ...]
    operator: str
    model: str
    summary: str
    generation: int
    seq: int
    status: Status | None
    score: float | None
    sd: float | None
    n: int
    stage: str
    added: int
    removed: int


@dataclass(slots=True)
class _Scores:
    """The scores of one problem, counted as the search counts them: up to a candidate's first failure, void blocks left out."""

    stages: tuple[str, ...]
    pooled: dict[str, Pooled]
    status: dict[str, Status]

    def observe(self, record: Measured) -> None:
        result = record.result
        status = self.status.get(result.candidate)
        if status not in (None, Status.OK, Status.EVALUATOR_ERROR):
            return
        if result.status is not Status.EVALUATOR_ERROR or status is None:
            self.status[result.candidate] = result.status
        if result.status is Status.OK and result.score is not None:
            self.pooled[result.stage].add(result.candidate, result.score)

    def best(self, candidate: str) -> tuple[str, float, float, int] | None:
        """(stage, mean, sd, n) at the highest stage with a score."""
        for stage in reversed(self.stages):
            if candidate in self.pooled[stage]:
                return (stage, *self.pooled[stage].posterior(candidate), self.pooled[stage].tally(candidate).n)
        return None


@dataclass(frozen=True, slots=True)
class _Born:
    seq: int
    problem: str
    candidate: Candidate
    arm: Arm


def lineage(run: Path, candidate: str, *, all_parents: bool = False) -> tuple[LineageStep, ...]:
    """The ancestors of a candidate in a run, oldest first, ending with itself.

    Along first parents only, unless ``all_parents``.  Reads the whole journal once; takes no lock.

    Raises:
        KeyError: the run has no such candidate.
        JournalMissing, JournalDamaged, JournalSchema: as ``read_journal``.
    """
    born, scores, texts = _gather(Path(run))
    line = {candidate: born[candidate]}
    todo = [candidate]
    while todo:
        parents = born[todo.pop()].candidate.parents
        for parent in parents if all_parents else parents[:1]:
            if parent in born and parent not in line:
                line[parent] = born[parent]
                todo.append(parent)
    return tuple(_step(one, scores[one.problem], texts) for one in sorted(line.values(), key=lambda one: one.seq))


def _gather(run: Path) -> tuple[dict[str, _Born], dict[str, _Scores], TextStore]:
    born: dict[str, _Born] = {}
    scores: dict[str, _Scores] = {}
    texts = TextStore(run)
    arms: dict[int, Arm] = {}
    measured: list[Measured | Retraction] = []
    void = set()
    reader = read_journal(run)
    for stamped in reader:
        match stamped.record:
            case RunCreated(problems=problems):
                for problem in problems:
                    pooled = {stage: Pooled(problem.noisy) for stage in problem.stages}
                    scores[problem.id] = _Scores(problem.stages, pooled, {})
            case ProposeIssued(attempt=attempt, arm=arm):
                arms[attempt.ticket] = arm
            case Proposed(attempt=attempt, candidate=Candidate() as child, problem=problem_id):
                arm = arms.pop(attempt.ticket, Arm("seed" if not child.parents else "external"))
                if child.id not in born and reader.position is not None:
                    born[child.id] = _Born(stamped.seq, problem_id, child, arm)
                    texts.note(child.id, reader.position)
            case Measured() | Retraction() as record:
                measured.append(record)
            case BlockClosed(attempt=attempt, status=BlockStatus.VOID):
                void.add(attempt)
    for record in measured:
        if isinstance(record, Retraction):
            scores[record.problem].status.setdefault(record.candidate, Status.REJECTED)
            if scores[record.problem].status[record.candidate] in (Status.OK, Status.EVALUATOR_ERROR):
                scores[record.problem].status[record.candidate] = Status.REJECTED
        elif record.attempt not in void:
            scores[record.problem].observe(record)
    return born, scores, texts


def _step(born: _Born, scores: _Scores, texts: TextStore) -> LineageStep:
    child = born.candidate
    status = scores.status.get(child.id)
    best = scores.best(child.id)
    before = texts.files(child.parents[0]) if child.parents and child.parents[0] in texts else {}
    added, removed = changed_lines(before, texts.files(child.id))
    return LineageStep(
        id=child.id,
        parents=child.parents,
        operator=born.arm.operator,
        model=born.arm.model,
        summary=child.summary,
        generation=child.generation,
        seq=born.seq,
        status=status,
        score=best[1] if best and status is Status.OK else None,
        sd=best[2] if best and status is Status.OK else None,
        n=best[3] if best else 0,
        stage=best[0] if best else "",
        added=added,
        removed=removed,
    )


def changed_lines(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[int, int]:
    """Lines added and removed over all files."""
    added = removed = 0
    for path in before.keys() | after.keys():
        old, new = before.get(path, "").splitlines(), after.get(path, "").splitlines()
        for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if tag != "equal":
                removed += j - i
                added += m - k
    return added, removed
