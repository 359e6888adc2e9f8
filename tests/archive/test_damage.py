"""Damage is named, never passed over: every acknowledged record is read, or an error says what is wrong and what to do."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest
from journal_records import event

from archive import (
    Journal,
    JournalDamaged,
    JournalError,
    JournalSchema,
    PositionStale,
    SegmentForeign,
    SegmentMissing,
    read_journal,
)

N = 24


def write(run: Path, *, swap: bool = False) -> Path:
    with Journal.create(run, segment_bytes=900) as journal:
        for number in range(N):
            journal.append(event(f"{number} {'one' if swap else 'two'} words\n and é"), at=float(number))
    return run


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("pristine") / "run")


@pytest.fixture
def run(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "run"))


def segments(run: Path) -> list[Path]:
    return sorted((run / "journal").glob("*.jsonl"))


def count(run: Path) -> int:
    return sum(1 for _ in read_journal(run))


def opened_and_read(run: Path) -> tuple[int, int]:
    """What a driver does: (records, bytes cut)."""
    with Journal.open(run) as journal:
        cut = journal.cut_bytes
    return count(run), cut


def rewrite(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def framed(body: bytes) -> bytes:
    return b'{"c":"%08x","r":%b}\n' % (crc32(body), body)


def test_the_pristine_journal_has_several_segments(pristine: Path) -> None:
    assert len(segments(pristine)) >= 4
    assert count(pristine) == N


# ------------------------------------------------------------------------------------------------ torn tails


def test_a_journal_cut_at_any_byte_of_its_last_segment_keeps_every_whole_record(run: Path) -> None:
    last = segments(run)[-1]
    data = last.read_bytes()
    header = data.index(b"\n") + 1
    before = N - (data.count(b"\n") - 1)
    for size in range(header, len(data)):
        last.write_bytes(data[:size])
        whole = before + data[header:size].count(b"\n")
        torn = size - data[:size].rfind(b"\n") - 1
        reader = read_journal(run)
        assert (sum(1 for _ in reader), reader.torn) == (whole, torn)
        assert opened_and_read(run) == (whole, torn)


@pytest.mark.parametrize("zeros", [2, 40, 512, 4096])
def test_zeros_at_the_end_are_what_a_power_cut_leaves(run: Path, zeros: int) -> None:
    with segments(run)[-1].open("ab") as file:
        file.write(b'{"c":"12' + bytes(zeros))
    assert count(run) == N
    assert opened_and_read(run) == (N, zeros + 8)
    assert opened_and_read(run) == (N, 0)


def test_a_lost_sector_in_a_group_that_was_never_acknowledged_is_torn(run: Path) -> None:
    tail = b'{"c":"0a0b0c0d","r":{"seq":24,' + bytes(512) + b'"text":"x"}}\n' + b'{"c":"0a0b0c0d","r":{"seq":25'
    with segments(run)[-1].open("ab") as file:
        file.write(tail)
    assert opened_and_read(run) == (N, len(tail))


def test_zeros_with_a_valid_record_behind_them_are_damage(run: Path) -> None:
    def zero(lines: list[bytes]) -> list[bytes]:
        return [*lines[:-2], bytes(len(lines[-2])), lines[-1]]

    rewrite(segments(run)[-1], zero)
    with pytest.raises(JournalDamaged, match="checksum"):
        count(run)
    with pytest.raises(JournalDamaged, match="truncate -s"):
        Journal.open(run)


def test_after_a_cut_the_journal_goes_on(run: Path) -> None:
    with segments(run)[-1].open("ab") as file:
        file.write(b'{"c":"0a0b0c0d","r":{"seq":24,"at":1')
    with Journal.open(run, segment_bytes=900) as journal:
        assert journal.cut_bytes > 0
        assert journal.append(event("next"), at=1.0).seq == N
    assert count(run) == N + 1


def test_the_remedy_in_the_message_works(run: Path) -> None:
    path = segments(run)[-1]
    rewrite(path, lambda lines: [*lines[:-2], lines[-2].replace(b"two", b"too"), lines[-1]])
    with pytest.raises(JournalDamaged) as caught:
        count(run)
    command = str(caught.value).split("truncate -s ")[1].split(",")[0]
    size, name = command.split(" ", 1)
    assert Path(name) == path
    with path.open("r+b") as file:
        file.truncate(int(size))
    assert opened_and_read(run) == (N - 2, 0)


# ------------------------------------------------------------------------------------------------ flipped bytes


def test_no_flipped_byte_anywhere_goes_unnoticed(pristine: Path, tmp_path: Path) -> None:
    rng = random.Random(5)
    run = Path(shutil.copytree(pristine, tmp_path / "run"))
    unnoticed = []
    for path in (segments(run)[0], segments(run)[-1]):  # a sealed one, and the one where a tail may be torn
        data = path.read_bytes()
        for place in range(len(data)):
            wrong = bytearray(data)
            wrong[place] ^= rng.choice([1, 2, 4, 8, 16, 32, 64, 128, data[place], data[place] ^ 10 or 1])
            path.write_bytes(wrong)
            try:
                count(run)
            except JournalError:
                pass
            else:
                unnoticed.append((path.name, place, bytes(wrong[max(place - 5, 0) : place + 5])))
        path.write_bytes(data)
    assert unnoticed == []


def test_the_writer_refuses_a_flipped_byte_in_the_last_segment(run: Path) -> None:
    path = segments(run)[-1]
    before = path.read_bytes()
    wrong = before[:-30] + bytes([before[-30] ^ 1]) + before[-29:]
    path.write_bytes(wrong)
    with pytest.raises(JournalDamaged):
        Journal.open(run)
    assert path.read_bytes() == wrong  # nothing was cut


# ------------------------------------------------------------------------------------------------ records and segments


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_missing_or_repeated_record_is_named(run: Path, which: int) -> None:
    path = segments(run)[which]
    whole = path.read_bytes()
    rewrite(path, lambda lines: [*lines[:-2], lines[-1]])
    with pytest.raises(JournalDamaged, match=r"has record \d+ at byte \d+ where record \d+ belongs"):
        count(run)
    path.write_bytes(whole)
    rewrite(path, lambda lines: [*lines, lines[-1]])
    with pytest.raises(JournalDamaged, match=r"has record \d+ at byte \d+ where record \d+ belongs"):
        count(run)


def test_a_record_missing_at_the_end_of_a_sealed_segment_is_noticed(run: Path) -> None:
    rewrite(segments(run)[1], lambda lines: lines[:-1])
    with pytest.raises(SegmentForeign, match="continues before record"):
        count(run)


def test_a_torn_line_in_a_sealed_segment_is_damage(run: Path) -> None:
    path = segments(run)[1]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(JournalDamaged, match=path.name):
        count(run)


def test_a_missing_segment_is_named_by_reader_and_writer(run: Path) -> None:
    for number in (0, 1, len(segments(run)) - 2):
        path = segments(run)[number]
        data = path.read_bytes()
        path.unlink()
        with pytest.raises(SegmentMissing, match=path.name):
            count(run)
        with pytest.raises(SegmentMissing, match=path.name):
            Journal.open(run)
        path.write_bytes(data)
    assert count(run) == N


def test_a_missing_last_segment_is_noticed_by_a_saved_position(run: Path) -> None:
    with Journal.open(run) as journal:
        place = journal.position
    segments(run)[-1].unlink()
    with pytest.raises(SegmentMissing, match="the journal ends before record 23"):
        read_journal(run, after=place)
    with pytest.raises(SegmentMissing, match="the journal ends before record 23"):
        Journal.open(run, after=place)


def test_a_journal_shorter_than_a_saved_position_is_damaged(run: Path) -> None:
    with Journal.open(run) as journal:
        place = journal.position
    rewrite(segments(run)[-1], lambda lines: lines[:-1])
    with pytest.raises(JournalDamaged, match="ends before record 23"):
        read_journal(run, after=place)


def test_a_position_of_another_journal_is_stale(run: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", swap=True)
    with Journal.open(other) as journal:
        place = journal.position
    with pytest.raises(PositionStale, match="read the journal from its start"):
        read_journal(run, after=place)


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_segment_of_another_journal_is_foreign(run: Path, tmp_path: Path, which: int) -> None:
    other = write(tmp_path / "other")
    shutil.copy(segments(other)[which], segments(run)[which])
    with pytest.raises(SegmentForeign, match="belongs to journal"):
        count(run)


def test_swapped_and_renamed_segments_are_foreign(run: Path) -> None:
    one, two = segments(run)[1:3]
    data = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(data)
    with pytest.raises(SegmentForeign, match="under another name"):
        count(run)


@pytest.mark.parametrize("content", [b"", b"\n", b"hello\n", bytes(100), framed(b'{"seq":0}'), framed(b"[]"), framed(b"nonsense")])
def test_a_file_that_is_no_segment_is_named(run: Path, content: bytes) -> None:
    segments(run)[-1].write_bytes(content)
    with pytest.raises(JournalDamaged, match=segments(run)[-1].name):
        count(run)
    with pytest.raises(JournalDamaged, match=segments(run)[-1].name):
        Journal.open(run)


def test_a_newer_schema_says_to_update(run: Path) -> None:
    def newer(lines: list[bytes]) -> list[bytes]:
        header = json.loads(lines[0])["r"] | {"schema": 2}
        return [framed(json.dumps(header).encode()), *lines[1:]]

    rewrite(segments(run)[0], newer)
    with pytest.raises(JournalSchema, match="has schema 2, and this version reads up to 1; update"):
        count(run)


def test_a_draft_of_a_segment_left_by_a_kill_is_ignored_and_replaced(run: Path) -> None:
    number = len(segments(run)) + 1
    (run / "journal" / f"{number:06d}.new").write_bytes(b"half a head")
    assert opened_and_read(run) == (N, 0)
    with Journal.open(run, segment_bytes=1) as journal:
        journal.append(event("rolls"), at=0.0)
    assert count(run) == N + 1
    assert len(segments(run)) == number


def test_a_last_segment_with_only_its_header_is_whole(run: Path) -> None:
    with Journal.open(run, segment_bytes=1) as journal:
        journal.append(event("rolls"), at=0.0)
    rewrite(segments(run)[-1], lambda lines: lines[:1])
    with Journal.open(run) as journal:
        assert (journal.durable_seq, journal.cut_bytes) == (N - 1, 0)
        assert journal.append(event("again"), at=0.0).seq == N
    assert count(run) == N + 1
