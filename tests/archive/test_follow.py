"""Following a journal while it is written, by the same and by another process."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from journal_records import event

from archive import Event, Follower, Journal, JournalDamaged, JournalMissing

WRITER = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from archive import Event, Journal
with Journal.create(Path(sys.argv[1]), segment_bytes=30_000) as journal:
    for n in range(5_000):
        journal.append(Event("info", "w", "x" * (n % 200) + str(n)), at=0.0)
"""


def test_a_follower_sees_every_record_of_another_process_once_and_in_order(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", WRITER.format(path=sys.path), str(tmp_path)])
    while not (tmp_path / "journal" / "000001.jsonl").exists():
        time.sleep(0.005)
        assert child.poll() in (None, 0)
    follower = Follower(tmp_path)
    polls: list[list[int]] = []
    deadline = time.monotonic() + 60.0
    while sum(map(len, polls)) < 5_000 and time.monotonic() < deadline:
        polls.append([stamped.seq for stamped in follower.poll()])
    assert child.wait(30.0) == 0
    assert [seq for poll in polls for seq in poll] == list(range(5_000))
    assert follower.poll() == []
    assert len(list((tmp_path / "journal").iterdir())) > 10


def test_half_a_line_is_not_seen_until_it_is_whole(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal:
        journal.append(event("a"), at=0.0)
        journal.append(event("b"), at=0.0)
    path = tmp_path / "journal" / "000001.jsonl"
    data = path.read_bytes()
    second = data.rindex(b'{"c":')
    path.write_bytes(data[:second])
    follower = Follower(tmp_path)
    assert len(follower.poll()) == 1
    with path.open("ab", buffering=0) as file:
        for byte in data[second:-1]:
            file.write(bytes([byte]))
            assert follower.poll() == []
        file.write(b"\n")
    assert [stamped.record for stamped in follower.poll()] == [event("b")]


def test_following_begins_behind_a_position(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal:
        journal.append(event("a"), at=0.0)
        place = journal.written
        journal.append(event("b"), at=0.0)
        journal.wait_durable(1)
        follower = Follower(tmp_path, after=place)
        assert [stamped.seq for stamped in follower.poll()] == [1]
        assert follower.position == journal.position
        journal.append(event("c"), at=0.0)
        journal.wait_durable(2)
        assert [stamped.seq for stamped in follower.poll()] == [2]


def test_a_restart_of_the_writer_with_a_cut_does_not_disturb(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal:
        journal.append(event("a"), at=0.0)
    follower = Follower(tmp_path)
    path = tmp_path / "journal" / "000001.jsonl"
    with path.open("ab") as file:
        file.write(b'{"c":"torn')
    assert len(follower.poll()) == 1
    with Journal.open(tmp_path) as journal:
        assert journal.cut_bytes == 10
        journal.append(event("b"), at=0.0)
    assert [stamped.record for stamped in follower.poll()] == [event("b")]


def test_records_taken_back_and_damage_are_named(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal:
        for name in "abc":
            journal.append(event(name), at=0.0)
    follower = Follower(tmp_path)
    assert len(follower.poll()) == 3
    path = tmp_path / "journal" / "000001.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(JournalDamaged, match="shorter than"):
        follower.poll()
    with pytest.raises(JournalMissing):
        Follower(tmp_path / "elsewhere")


def test_the_writer_is_never_held_up_by_followers(tmp_path: Path) -> None:
    """Four followers poll without pause while a writer appends; all see everything."""
    journal = Journal.create(tmp_path, segment_bytes=5_000)
    done = threading.Event()
    seen: list[list[str]] = [[] for _ in range(4)]

    def follow(into: list[str]) -> None:
        follower = Follower(tmp_path)
        last = False
        while not last:
            last = done.is_set()
            into += [stamped.record.text for stamped in follower.poll() if isinstance(stamped.record, Event)]

    threads = [threading.Thread(target=follow, args=(into,)) for into in seen]
    for thread in threads:
        thread.start()
    for number in range(500):
        journal.append(event(str(number)), at=0.0)
    journal.close()
    done.set()
    for thread in threads:
        thread.join()
    assert all(into == [str(number) for number in range(500)] for into in seen)
