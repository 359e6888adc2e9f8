"""Bringing a search to where its journal is: checkpoint and tail, or everything."""

from __future__ import annotations

from archive import ElitePlaced, JournalDamaged, PositionStale, Proposed, TextStore, read_journal
from evolve.runs import _checkpoint
from evolve.runs._folder import RunDir
from evolve.search._search import Search
from evolve.search.state._islands import Place
from evolve.search.state._state import ProblemState

KnownPlacements = dict[tuple[str, Place], str]  # problem, place -> candidate, as readers see the archives; "" is nobody


def replay(run: RunDir, search: Search, texts: TextStore) -> KnownPlacements:
    """Apply the run's journal to a fresh search, and tell the texts where each one lies.

    Returns:
        What the ``placed`` records say of the archive.  A kill between a measurement and its ``placed`` records leaves that behind
        the archive itself; ``missing_placements`` makes up for it.

    Raises:
        JournalError: as ``read_journal``.
    """
    checkpoint = _checkpoint.load(run.checkpoint, search.source)
    records = read_journal(run.path)
    if checkpoint is not None:
        try:
            records = read_journal(run.path, after=checkpoint.position)
        except PositionStale:
            checkpoint = None
        except JournalDamaged as error:
            files = f"{run.checkpoint}.json and {run.checkpoint}.npz"
            raise type(error)(f"{error}; or give up what is missing: remove {files}, which know of it") from error
    shown: KnownPlacements = {}
    if checkpoint is not None:
        checkpoint.restore(search)
        texts.load(checkpoint.places)
        for id_, state in search.problems.items():
            population = state.population
            shown |= {(id_, place): population.candidates[number].id for place, number in population.places().items()}
    for stamped in records:
        record = stamped.record
        if isinstance(record, ElitePlaced):
            shown[search.state_of(record).problem, (record.island, record.cell, record.rank)] = record.candidate
        elif isinstance(record, Proposed) and record.candidate is not None and records.position is not None:
            texts.locate(record.candidate.id, records.position)
        search.apply(stamped)
    return shown


def missing_placements(search: Search, shown: KnownPlacements) -> list[ElitePlaced]:
    """The records that bring readers up to date with the archives."""
    return [one for state in search.states for one in _missing(state, shown)]


def _missing(state: ProblemState, shown: KnownPlacements) -> list[ElitePlaced]:
    population, now = state.population, state.population.places()
    known = {place: candidate for (id_, place), candidate in shown.items() if id_ == state.problem}
    places = [(place, now.get(place)) for place in sorted(known.keys() | now.keys())]
    return [
        population.placement_record(place, number)
        for place, number in places
        if known.get(place, "") != (population.candidates[number].id if number is not None else "")
    ]
