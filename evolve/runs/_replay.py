"""Bringing a search to where its journal is: checkpoint and tail, or everything."""

from __future__ import annotations

from archive import ElitePlaced, JournalDamaged, PositionStale, Proposed, TextStore, read_journal
from evolve.runs import _checkpoint
from evolve.runs._folder import RunDir
from evolve.search._search import Search
from evolve.search.state._islands import Place

KnownPlacements = dict[Place, str]  # place -> candidate, as readers of the journal see the archive; "" is nobody


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
        population = search.state.population
        shown = {place: population.candidates[number].id for place, number in population.places().items()}
    for stamped in records:
        record = stamped.record
        if isinstance(record, ElitePlaced):
            shown[record.island, record.cell, record.rank] = record.candidate
        elif isinstance(record, Proposed) and record.candidate is not None and records.position is not None:
            texts.locate(record.candidate.id, records.position)
        search.apply(stamped)
    return shown


def missing_placements(search: Search, shown: KnownPlacements) -> list[ElitePlaced]:
    """The records that bring readers up to date with the archive."""
    population = search.state.population
    now = population.places()
    places = [(place, now.get(place)) for place in sorted(shown.keys() | now.keys())]
    return [
        population.placement_record(place, number)
        for place, number in places
        if shown.get(place, "") != (population.candidates[number].id if number is not None else "")
    ]
