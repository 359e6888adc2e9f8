"""The writing end: order, acknowledgement after the sync, segments, reopening, failing disks."""

from __future__ import annotations

import errno
import math
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_records import EPOCH, INFO, PROBLEM, ToyRun, any_record, event

from archive import (
    Event,
    Journal,
    JournalBroken,
    JournalError,
    JournalFull,
    JournalMissing,
    Note,
    RecordError,
    RunCreated,
    RunOpened,
    read_journal,
)


def texts(run: Path) -> list[str]:
    return [stamped.record.text for stamped in read_journal(run) if isinstance(stamped.record, Event)]


def segments(run: Path) -> list[Path]:
    return sorted((run / "journal").glob("*.jsonl"))


@given(records=st.lists(any_record(), max_size=12), segment_bytes=st.sampled_from([1, 600, 1 << 20]), data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_read_is_what_was_appended_however_often_it_was_reopened(
    tmp_path_factory: pytest.TempPathFactory, records: list, segment_bytes: int, data: st.DataObject
) -> None:
    run = tmp_path_factory.mktemp("run")
    journal = Journal.create(run, segment_bytes=segment_bytes)
    appended = []
    for number, record in enumerate(records):
        if data.draw(st.booleans()):
            journal.close()
            journal = Journal.open(run, segment_bytes=segment_bytes)
            assert journal.cut_bytes == 0
        appended.append(journal.append(record, at=number + 0.1))
        assert appended[-1].record == record
    journal.close()
    assert list(read_journal(run)) == appended
    assert [stamped.seq for stamped in appended] == list(range(len(records)))


def test_every_acknowledgement_follows_a_sync_that_covers_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: dict[int, int] = {}
    real = os.fdatasync

    def watched(fd: int) -> None:
        size = os.fstat(fd).st_size
        real(fd)
        synced[os.fstat(fd).st_ino] = size

    def acknowledge(seq: int) -> None:
        acknowledged.append(seq)
        parts = [path.read_bytes()[: synced.get(path.stat().st_ino, 0)] for path in segments(tmp_path)]
        if not any(b'"seq":%d,' % seq in part for part in parts):
            uncovered.append(seq)

    monkeypatch.setattr(os, "fdatasync", watched)
    uncovered: list[int] = []
    acknowledged: list[int] = []
    with Journal.create(tmp_path, segment_bytes=2_000) as journal:
        for number in range(200):
            stamped = journal.append(event("x" * number), at=0.0, on_durable=lambda n=number: acknowledge(n))
            assert stamped.seq == number
            if number % 7 == 0:
                assert journal.wait_durable(stamped.seq, 10.0)
                assert journal.durable_seq >= stamped.seq
    assert acknowledged == list(range(200))
    assert uncovered == []
    assert len(segments(tmp_path)) > 5


def test_many_records_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    syncs = []
    real = os.fdatasync

    def held(fd: int) -> None:
        gate.wait(10.0)
        syncs.append(fd)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", held)
    with Journal.create(tmp_path) as journal:
        for number in range(100):
            journal.append(event(str(number)), at=0.0)  # never waits, though the disk does
        assert not journal.wait_durable(99, 0.0)
        gate.set()
    assert len(syncs) <= 3
    assert texts(tmp_path) == [str(number) for number in range(100)]


def test_a_segment_names_its_predecessor_and_is_not_longer_than_asked(tmp_path: Path) -> None:
    with Journal.create(tmp_path, segment_bytes=1_000) as journal:
        for number in range(40):
            journal.append(event(str(number)), at=0.0)
        journal.append(event("y" * 3_000), at=0.0)  # longer than a segment: gets one of its own
        journal.append(event("z"), at=0.0)
    sizes = [path.stat().st_size for path in segments(tmp_path)]
    assert sum(size > 1_000 for size in sizes) == 1
    assert len(sizes) > 4
    assert len(texts(tmp_path)) == 42


def test_reading_goes_on_behind_a_saved_position(tmp_path: Path) -> None:
    with Journal.create(tmp_path, segment_bytes=1_000) as journal:
        places = []
        for number in range(30):
            journal.append(event(str(number)), at=0.0)
            places.append(journal.written)
    for number, place in enumerate(places):
        reader = read_journal(tmp_path, after=place)
        assert reader.position == place
        assert [stamped.seq for stamped in reader] == list(range(number + 1, 30))
        assert reader.position == places[-1]
        with Journal.open(tmp_path, after=place, segment_bytes=1_000) as reopened:
            assert reopened.position == places[-1]


def test_positions_of_reader_and_writer_agree(tmp_path: Path) -> None:
    written = []
    with Journal.create(tmp_path, segment_bytes=700) as journal:
        for number in range(20):
            journal.append(event("ä" * number), at=0.0)
            written.append(journal.written)
    reader = read_journal(tmp_path)
    assert [reader.position for _ in reader] == written


def test_lines_are_plain_json_with_problem_evaluator_and_schema(tmp_path: Path) -> None:
    import json

    run = ToyRun(tmp_path / "run")
    run.measure(run.propose({"a.py": "x = 1\n"}), [1.5])
    run.journal.close()
    reopened = Journal.open(tmp_path / "run")  # learns the evaluator again from the first record
    reopened.append(Event("info", "w", "t", problem=PROBLEM), at=2.0)
    reopened.close()
    lines = [json.loads(line)["r"] for line in segments(tmp_path / "run")[0].read_bytes().splitlines()]
    assert [line["seq"] for line in lines[1:]] == list(range(len(lines) - 1))
    about = [line for line in lines if line.get("problem") == PROBLEM]
    assert len(about) == 5
    assert all(line["ev"] == INFO.evaluator and line["v"] == 1 for line in about)


def test_lone_surrogates_are_replaced_in_the_record_that_is_handed_back(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal:
        stamped = journal.append(Note("bad \ud800 pair \ud83d\ude00"), at=0.0)
    assert stamped.record == Note("bad � pair \U0001f600")
    assert list(read_journal(tmp_path)) == [stamped]


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused_and_leaves_no_trace(tmp_path: Path, number: float) -> None:
    from archive import ChampionChanged

    with Journal.create(tmp_path) as journal:
        with pytest.raises(RecordError, match="champion"):
            journal.append(ChampionChanged("p", "c", "b", number), at=0.0)
        journal.append(event("next"), at=0.0)
    assert texts(tmp_path) == ["next"]


def test_create_and_open_expect_none_and_one(tmp_path: Path) -> None:
    with pytest.raises(JournalMissing, match="no segment"):
        Journal.open(tmp_path)
    with pytest.raises(JournalMissing, match="no segment"):
        read_journal(tmp_path)
    Journal.create(tmp_path).close()
    with pytest.raises(JournalMissing, match="choose another folder"):
        Journal.create(tmp_path)


def test_a_closed_journal_takes_nothing_more(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    journal.append(event("a"), at=0.0)
    journal.close()
    journal.close()
    assert journal.wait_durable(0)
    with pytest.raises(JournalBroken, match="closed"):
        journal.append(event("b"), at=0.0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_callback_that_raises_ends_the_journal_instead_of_losing_acknowledgements(tmp_path: Path) -> None:
    errors: list[JournalError] = []
    journal = Journal.create(tmp_path, on_error=errors.append)

    def bad() -> None:
        raise RuntimeError("from the callback")

    journal.append(event("a"), at=0.0, on_durable=bad)
    with pytest.raises(JournalBroken, match="callback"):
        journal.wait_durable(5, 10.0)
    assert len(errors) == 1
    journal.close()
    assert texts(tmp_path) == ["a"]


# ------------------------------------------------------------------------------------------------ failing disks


def test_a_failed_sync_takes_back_what_was_not_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[JournalError] = []
    journal = Journal.create(tmp_path, on_error=errors.append)
    journal.append(event("kept"), at=0.0)
    assert journal.wait_durable(0, 10.0)

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    lost = journal.append(event("lost"), at=0.0)
    with pytest.raises(JournalBroken, match="Input/output error"):
        journal.wait_durable(lost.seq, 10.0)
    with pytest.raises(JournalBroken):
        journal.append(event("more"), at=0.0)
    with pytest.raises(JournalBroken):
        journal.close()
    assert [type(error) for error in errors] == [JournalBroken]
    monkeypatch.undo()
    with Journal.open(tmp_path) as again:
        assert (again.durable_seq, again.cut_bytes) == (0, 0)
        again.append(event("after"), at=0.0)
    assert texts(tmp_path) == ["kept", "after"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root; the file size limit below covers the same path")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(run: Path, segment_bytes: int) -> tuple[list[int], list[JournalError]]:
    """Append until the disk refuses; what was acknowledged, and what was said."""
    acknowledged: list[int] = []
    errors: list[JournalError] = []
    journal = Journal.create(run, on_error=errors.append, segment_bytes=segment_bytes)

    def append_on() -> None:
        for number in range(100_000):
            journal.append(event(f"{number} " + "x" * 500), at=0.0, on_durable=lambda n=number: acknowledged.append(n))
            if number % 3 == 0:
                journal.wait_durable(number, 10.0)

    with pytest.raises(JournalFull, match="make room"):
        append_on()
    with pytest.raises(JournalFull):
        journal.close()
    return acknowledged, errors


@pytest.mark.parametrize("segment_bytes", [20_000, 1 << 20])
def test_a_full_disk_stops_the_journal_with_everything_acknowledged_intact(small_disk: Path, segment_bytes: int) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(50_000))
    run = small_disk / "run"
    acknowledged, errors = fill(run, segment_bytes)
    assert len(errors) == 1
    assert len(acknowledged) > 50
    found = [int(text.split()[0]) for text in texts(run)]
    assert found == acknowledged
    ballast.unlink()
    with Journal.open(run, segment_bytes=segment_bytes) as journal:
        assert journal.durable_seq == acknowledged[-1]
        journal.append(event("-1 goes on"), at=0.0)
    assert [int(text.split()[0]) for text in texts(run)] == [*acknowledged, -1]


def test_a_file_size_limit_does_the_same_without_root(tmp_path: Path) -> None:
    """The limit is the process's, so a child does the writing."""
    script = f"""
import resource, signal, sys
sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from pathlib import Path
from test_journal import fill
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
acknowledged, errors = fill(Path({str(tmp_path / "run")!r}), 1 << 20)
assert len(errors) == 1
print(len(acknowledged))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert len(texts(tmp_path / "run")) == int(done.stdout) > 100
    Journal.open(tmp_path / "run").close()


def test_the_first_record_teaches_the_evaluators_however_many_runs_share_it(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal:
        journal.append(RunCreated("r", 1, "{}", (INFO,)), at=0.0)
        journal.append(RunOpened(EPOCH), at=0.0)
        journal.append(Event("info", "w", "t", problem="another@1"), at=0.0)
    lines = segments(tmp_path)[0].read_text().splitlines()
    assert '"ev"' not in lines[-1]
