"""The first records of an opening: who drives, what the last driver left open, the initial program, new limits, given programs."""

from __future__ import annotations

import platform
import secrets
from collections.abc import Mapping, Sequence

from archive import Attempt, Event, ProposalStatus, Proposed, RunOpened
from evolve._counted import counted
from evolve._version import __version__
from evolve.config._schema import RunConfig
from evolve.engine._proposer import Proposer, Proposers
from evolve.engine.models._stack import AvailableModels
from evolve.engine.requests._handlers import budget_record
from evolve.execute import Executor
from evolve.runs import _checkpoint
from evolve.runs._recorder import Recorder
from evolve.search._reviews import unanswered


def write_opening(
    recorder: Recorder,
    proposers: Proposers,
    config: RunConfig,
    budget: Mapping[str, object],
    cut_bytes: int,
    models: AvailableModels,
    executor: Executor,
) -> str:
    """The first records of an opening: who drives, the initial program if it is not there yet, new limits."""
    search = recorder.search
    epoch = secrets.token_hex(8)
    recorder.write(
        RunOpened(
            epoch,
            engine=__version__,
            state_hash=_checkpoint.state_code_hash(),
            python=platform.python_version(),
            machine=platform.node(),
            tier=config.sandbox.tier,
            slots=executor.slots,
            models=models.models,
            executor=config.executor.kind,
            address=getattr(executor, "address", ""),  # not every executor has an address and nodes
            nodes=getattr(executor, "nodes", 0),
        )
    )
    for settled in search.run.model_limits.ledger.lost():
        recorder.write(settled)
    while search.run.tickets.orphaned and (lost := search.run.tickets.expired(0.0)):
        recorder.write(lost)
    for review in [*search.run.tickets.reviews.values()]:
        recorder.write(unanswered(review, "its driver ended while the judge was asked"))
    if cut_bytes:
        recorder.write(
            Event("warning", "torn_tail", f"{counted(cut_bytes, 'byte')} of an unfinished record were cut off the journal")
        )
    write_initial(recorder, proposers, epoch)
    if budget:
        recorder.write(budget_record(search, budget))
    return epoch


def write_initial(recorder: Recorder, proposers: Proposers, epoch: str) -> None:
    """The initial program of each problem that has none yet."""
    search = recorder.search
    for state in search.states:
        if not state.population.candidates:
            attempt, seed = Attempt(epoch, search.run.tickets.next_ticket), proposers[state.problem].initial_candidate()
            recorder.write(Proposed(attempt, state.problem, ProposalStatus.CHILD, candidate=seed))


def write_supplied(recorder: Recorder, proposer: Proposer, epoch: str, programs: Sequence[Mapping[str, str]]) -> None:
    """Programs that somebody gave, as children of the initial program that no operator made."""
    search = recorder.search
    for files in programs:
        attempt = Attempt(epoch, search.run.tickets.next_ticket)
        given = proposer.supplied_candidate(files, search.state.population.candidates[0].id)
        if given.id not in search.state.population.by_id:
            recorder.write(Proposed(attempt, search.state.problem, ProposalStatus.CHILD, candidate=given))
