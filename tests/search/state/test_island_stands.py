"""Who stands where on islands, under any order of events, beside an oracle that holds it in plain sets."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from archive import Axis, GridArchive, NoveltyArchive
from evolve.search.state._islands import Islands

AXES = (Axis("x", 0.0, 1.0, 3),)
N = 3
KEYS = st.integers(0, 11)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("judge"), KEYS, st.integers(0, 4)),
        st.tuples(st.just("forget"), KEYS, st.just(0)),
        st.tuples(st.just("invite"), KEYS, st.integers(0, N - 1)),
        st.tuples(st.just("reset"), st.integers(0, N - 1), st.just(0)),
        st.tuples(st.just("leave"), KEYS, st.just(0)),
        st.tuples(st.just("rebin"), st.integers(1, 5), st.just(0)),
    ),
    max_size=60,
)


def home(key: int) -> int:
    return key % N


def where(key: int) -> dict[str, float]:
    return {"x": key / 11}


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.sampled_from(["grid", "novelty"]))
def test_whatever_happens_everyone_stands_where_the_oracle_says_and_nowhere_else(events, kind):
    make = {"grid": lambda: GridArchive(axes=AXES), "novelty": lambda: NoveltyArchive(axes=AXES, distance=0.2)}[kind]
    islands, cells = Islands([make() for _ in range(N)]), {}
    stands: dict[int, set[int]] = {}  # of those that are judged and have not failed
    shown: dict[tuple[int, int, int], int] = {}
    failed: set[int] = set()
    for what, key, value in events:
        changes = []
        if what == "judge" and key not in failed:
            if key not in cells:
                cells[key] = islands.archives[home(key)].cell_of(where(key))
                stands[key] = {home(key)}
            changes = islands.judge(key, (home(key), cells[key]), float(value), 0.0)
        elif what == "forget" and key in stands:
            changes = islands.forget(key, (home(key), cells[key]))
            failed.add(key)
            del stands[key]
        elif what == "invite" and key in stands and value not in stands[key]:
            changes = islands.invite(key, value, where(key), float(key), 0.0)
            stands[key].add(value)
        elif what == "reset":
            changes = islands.reset(key)
            for those in stands.values():
                those.discard(key)
        elif what == "leave" and len(stands.get(key, ())) > 1 and key not in islands.left:
            islands.leave_home(key)  # as ``Population.replace_parent`` does
            changes = [(home(key), change) for change in islands.archives[home(key)].retract(key).changes]
            stands[key].discard(home(key))
        elif what == "rebin":
            cells.update(islands.rebin((Axis("x", 0.0, 1.0, key),), where))
            shown = islands.places()
        for island, change in changes:
            if change.key is None:
                del shown[island, change.cell, change.slot]
            else:
                shown[island, change.cell, change.slot] = change.key
        check(islands, stands, cells, shown)


def check(islands, stands, cells, shown):
    assert islands.places() == shown
    for key, those in stands.items():
        told = islands.stands(key, (home(key), cells[key]))
        assert {island for island, _ in told} == those
        assert len(told) == len(those)
        for island, cell in told:
            assert islands.archives[island].cells.cell(key) == cell
    for island, archive in enumerate(islands.archives):
        assert {key for key, _ in archive.cells.placed_cells()} == {key for key, those in stands.items() if island in those}
    assert sorted(islands.elites) == sorted({key for archive in islands.archives for key in archive.cells.elites})
