"""Bringing a search to where its journal is: checkpoint and tail, or everything."""

from __future__ import annotations

from archive import JournalDamaged, Placed, PositionStale, Proposed, TextStore, read_journal
from evolve.runs import _checkpoint
from evolve.runs._folder import RunDir
from evolve.search._search import Search

Shown = dict[tuple[int, int], str]  # (cell, rank) -> candidate, as readers of the journal see the archive; "" is nobody


def replay(run: RunDir, search: Search, texts: TextStore) -> Shown:
    """Apply the run's journal to a fresh search, and tell the texts where each one lies.

    Returns:
        What the ``placed`` records say of the archive.  A kill between a measurement and its ``placed`` records leaves that behind
        the archive itself; ``unshown`` makes up for it.

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
    shown: Shown = {}
    if checkpoint is not None:
        checkpoint.put(search)
        texts.restore(checkpoint.places)
        shown = {
            (cell, rank): search.state.population.rows[key].id for cell, rank, key in search.state.population.archive.cells.items()
        }
    for stamped in records:
        record = stamped.record
        if isinstance(record, Placed):
            shown[record.cell, record.rank] = record.candidate
        elif isinstance(record, Proposed) and record.candidate is not None and records.position is not None:
            texts.note(record.candidate.id, records.position)
        search.apply(stamped)
    return shown


def unshown(search: Search, shown: Shown) -> list[Placed]:
    """The records that bring readers up to date with the archive."""
    people = search.state.population
    now = {(cell, rank): key for cell, rank, key in people.archive.cells.items()}
    places = [(place, now.get(place)) for place in sorted(shown.keys() | now.keys())]
    return [
        people.placed(cell, rank, key)
        for (cell, rank), key in places
        if shown.get((cell, rank), "") != (people.rows[key].id if key is not None else "")
    ]
