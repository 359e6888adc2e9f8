"""Whom the judge reads: whoever is best, by score or as champion, once.  A search waits for none of its answers."""

from __future__ import annotations

from archive import Reviewed, ReviewIssued
from evolve.search.state._state import ProblemState


def next_review(state: ProblemState) -> ReviewIssued | None:
    """The ticket for the next candidate that the judge is asked about, if there is one."""
    run, rows = state.run, state.population.candidates
    if not run.llm.judge.model or run.end.ends:
        return None
    asked = {issued.candidate for issued in run.tickets.reviews.values()} | state.reviewed | state.unreviewed
    for number in (state.population.leader, state.champion_test.champion):
        if number and rows[number].id not in asked:
            return ReviewIssued(run.tickets.next_attempt(), state.problem, rows[number].id, run.llm.judge.model)
    return None


def unanswered(issued: ReviewIssued, reason: str) -> Reviewed:
    """The end of a review that the judge will not answer."""
    return Reviewed(issued.attempt, issued.problem, issued.candidate, reason=reason)


def on_reviewed(state: ProblemState, record: Reviewed) -> None:
    """The judge answered, or it is known that it does not."""
    tickets = state.run.tickets
    tickets.reviews.pop(record.attempt.ticket, None)
    if record.verdict:
        state.reviewed.add(record.candidate)
    elif record.attempt.epoch == tickets.epoch:
        state.unreviewed.add(record.candidate)
