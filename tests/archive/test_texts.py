"""Candidates' texts: ids, chains, caches, and reading what is not durable yet."""

from __future__ import annotations

import dataclasses
import os
import random
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_records import TEXT, ToyRun

from archive import Candidate, Journal, JournalDamaged, ProposalStatus, Proposed, TextStore, candidate_id, read_journal
from archive.journal._texts import MAX_DEPTH, pack_files, unpack_files

FILES = st.dictionaries(TEXT, st.text(st.characters(codec="utf-8"), max_size=60), max_size=4)


@given(FILES)
def test_packing_is_reversible(files: dict[str, str]) -> None:
    assert unpack_files(pack_files(files)) == files


@given(FILES, FILES)
def test_an_id_names_the_files_and_not_their_order(one: dict[str, str], two: dict[str, str]) -> None:
    assert candidate_id(dict(reversed(one.items()))) == candidate_id(one)
    assert (candidate_id(one) == candidate_id(two)) == (one == two)


def test_ids_are_equal_across_runs_and_versions() -> None:
    assert candidate_id({"a.py": "x = 1\n", "b.py": ""}) == "94ae8ff83ded2d03d1c7"


def test_moving_text_between_files_changes_the_id() -> None:
    assert (
        len({candidate_id(files) for files in ({"a": "xy", "b": ""}, {"a": "x", "b": "y"}, {"a": "", "b": "xy"}, {"ab": "xy"})})
        == 4
    )


def test_a_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        candidate_id({"a": "\ud800"})


@given(st.lists(st.tuples(FILES, st.integers(0, 30)), min_size=1, max_size=25), st.sampled_from([0, 200, 1 << 20]))
@settings(max_examples=30, deadline=None)
def test_files_come_back_whatever_was_the_base(
    tmp_path_factory: pytest.TempPathFactory, family: list[tuple[dict[str, str], int]], cache_bytes: int
) -> None:
    run = ToyRun(tmp_path_factory.mktemp("run") / "run", segment_bytes=2_000)
    run.texts = TextStore(run.folder, lambda: run.journal.durable_seq, cache_bytes=cache_bytes)
    expected: dict[str, dict[str, str]] = {}
    for files, parent in family:
        names = list(expected)
        name = run.propose(files, (names[parent % len(names)],) if names else ())
        expected[name] = files
        assert run.texts.files(name) == files
    run.close()
    store = TextStore.of_run(run.folder)
    assert {name: store.files(name) for name in reversed(expected)} == expected
    assert len(store) == len(expected)


def program(rng: random.Random, lines: int = 320) -> list[str]:
    return [f"    value_{rng.randrange(99)} = compute(argument_{rng.randrange(99)}, {rng.random():.6f})" for _ in range(lines)]


def test_a_long_line_of_small_changes_stays_small_and_short(tmp_path: Path) -> None:
    rng = random.Random(3)
    run = ToyRun(tmp_path / "run")
    lines = program(rng)
    files = {"m.py": "\n".join(lines)}
    assert len(files["m.py"]) > 10_000
    names = [run.propose(files)]
    for _ in range(3 * MAX_DEPTH):
        for _ in range(8):
            lines[rng.randrange(len(lines))] = f"    changed = {rng.random()}"
        names.append(run.propose({"m.py": "\n".join(lines)}, (names[-1],)))
    run.journal.close()
    texts = [s.record.candidate.text for s in read_journal(run.folder) if isinstance(s.record, Proposed) and s.record.candidate]
    assert max(text.depth for text in texts) == MAX_DEPTH
    assert [text.depth for text in texts[: MAX_DEPTH + 2]] == [*range(MAX_DEPTH + 1), 0]
    size = sum(path.stat().st_size for path in (run.folder / "journal").iterdir())
    assert size / len(names) < 1_500
    assert TextStore.of_run(run.folder).files(names[-1]) == {"m.py": "\n".join(lines)}


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20])
def test_equal_children_of_several_parents_leave_every_text_readable(tmp_path: Path, cache_bytes: int) -> None:
    """Two equal children may be in hand at once; one is recorded, the other is a duplicate and is not."""
    rng = random.Random(5)
    run = ToyRun(tmp_path / "run")
    run.texts = TextStore(run.folder, lambda: run.journal.durable_seq, cache_bytes=cache_bytes)
    lines = program(rng)
    expected = {run.propose({"m.py": "\n".join(lines)}): "\n".join(lines)}
    for step in range(12 * MAX_DEPTH):
        names = list(expected)
        lines[rng.randrange(len(lines))] = f"    changed = {rng.random()}"
        text = "\n".join(lines)
        twins = [names[-1], *rng.choices(names[: 1 + len(names) // 4], k=2)]
        for twin in twins[1:] if step % 2 else ():
            run.texts.encode(candidate_id({"m.py": text}), {"m.py": text}, twin)
        name = run.propose({"m.py": text}, (twins[0],))
        expected[name] = text
        for twin in twins[1:]:
            run.texts.encode(name, {"m.py": text}, twin)
    run.journal.close()
    texts = {
        s.record.candidate.id: s.record.candidate.text
        for s in read_journal(run.folder)
        if isinstance(s.record, Proposed) and s.record.candidate
    }
    assert all(text.depth == (texts[text.base].depth + 1 if text.base else 0) <= MAX_DEPTH for text in texts.values())
    store = TextStore.of_run(run.folder)
    assert {name: store.files(name)["m.py"] for name in reversed(expected)} == expected


def test_a_text_that_rests_on_itself_is_damage(tmp_path: Path) -> None:
    run = ToyRun(tmp_path / "run")
    one = run.propose({"m.py": "\n".join(program(random.Random(1)))})
    two = run.propose({"m.py": "\n".join([*program(random.Random(1)), "x"])}, (one,))
    monkey = run.texts.encode("new", {"m.py": "\n".join([*program(random.Random(1)), "y"])}, two)
    again = dataclasses.replace(monkey, base=two)
    run.add(Proposed(run._attempt(), run.info.id, ProposalStatus.CHILD, Candidate(one, "h", again, ())))
    run.journal.close()
    with pytest.raises(JournalDamaged, match="rests on itself"):
        TextStore.of_run(run.folder).files(two)


def test_a_parent_that_is_no_help_is_not_used(tmp_path: Path) -> None:
    run = ToyRun(tmp_path / "run")
    parent = run.propose({"m.py": "\n".join(program(random.Random(1)))})
    text = run.texts.encode("c", {"m.py": "import os\n" * 3 + "\n".join(str(i**7) for i in range(300))}, parent)
    assert (text.depth, text.base) == (0, "")
    assert run.texts.encode("d", {"m.py": "x"}, "nobody").depth == 0
    run.journal.close()


def test_what_is_queued_can_be_read_and_is_forgotten_once_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    real = os.fdatasync

    def held(fd: int) -> None:
        gate.wait(10.0)
        real(fd)

    run = ToyRun(tmp_path / "run")
    assert run.journal.wait_durable(1, 10.0)
    monkeypatch.setattr(os, "fdatasync", held)
    run.texts = TextStore(run.folder, lambda: run.journal.durable_seq, cache_bytes=0)
    expected = {}
    for number in range(20):
        files = {"m.py": f"x = {number}\n" * 30}
        expected[run.propose(files, tuple(list(expected)[-1:]), "edit")] = files
    assert {name: run.texts.files(name) for name in expected} == expected
    assert len(run.texts._queued) == 20
    gate.set()
    assert run.journal.wait_durable(run.stamped[-1].seq, 10.0)
    run.propose({"m.py": "last"})
    assert len(run.texts._queued) <= 1
    assert {name: run.texts.files(name) for name in expected} == expected
    run.journal.close()


def test_places_survive_a_checkpoint(tmp_path: Path) -> None:
    run = ToyRun(tmp_path / "run")
    names = [run.propose({"m.py": f"x = {n}"}) for n in range(5)]
    run.close()
    store = TextStore(run.folder)
    store.load(dict(run.texts.locations()))
    assert [store.files(name)["m.py"] for name in names] == [f"x = {n}" for n in range(5)]
    with pytest.raises(KeyError):
        store.files("unknown")


def test_a_flipped_byte_under_a_text_is_named_when_it_is_read(tmp_path: Path) -> None:
    run = ToyRun(tmp_path / "run")
    name = run.propose({"m.py": "x = 1\n" * 50})
    run.close()
    path = next((run.folder / "journal").iterdir())
    data = path.read_bytes()
    place = data.index(b'"data":"') + 12
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    store = TextStore(run.folder)
    store.load(dict(run.texts.locations()))
    with pytest.raises(JournalDamaged, match=name):
        store.files(name)


def test_a_place_that_holds_another_record_is_refused(tmp_path: Path) -> None:
    run = ToyRun(tmp_path / "run")
    one, two = run.propose({"m.py": "1"}), run.propose({"m.py": "2"})
    run.close()
    store = TextStore(run.folder)
    store.load({one: run.texts.locations()[two]})
    with pytest.raises(JournalDamaged, match=one):
        store.files(one)


def test_a_proposal_without_a_child_has_no_text(tmp_path: Path) -> None:
    run = ToyRun(tmp_path / "run")
    run.add(Proposed(run._attempt(), run.info.id, ProposalStatus.INVALID, reason="no literal"))
    run.close()
    assert len(TextStore.of_run(run.folder)) == 0
    Journal.open(run.folder).close()
