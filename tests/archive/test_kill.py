"""kill -9 at random moments: nothing acknowledged is lost, nothing is there twice, and it always opens."""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archive import Event, Journal, read_journal

# Appends as fast as it can; each acknowledged sequence number goes into the pipe, from which the parent counts on its own.
WRITER = """
import os, struct, sys, time
sys.path[:0] = {path!r}
from pathlib import Path
from archive import Event, Journal
pipe, life, journal = int(sys.argv[2]), sys.argv[3], None
os.write(pipe, struct.pack("<q", -1))
journal = Journal.open(Path(sys.argv[1]), segment_bytes=20_000)
for n in range(1_000_000):
    seq = journal._seq
    journal.append(
        Event("info", life, str(seq) + "x" * (n % 300)), at=time.time(),
        on_durable=lambda seq=seq: os.write(pipe, struct.pack("<q", seq)),
    )
    if n % 50 == 49:
        journal.wait_durable(seq - 20)
"""


@pytest.mark.kill
@pytest.mark.parametrize("kills", [10, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.long])])
def test_no_acknowledged_record_is_lost_or_repeated_by_kills(kills: int, tmp_path: Path) -> None:
    rng = random.Random()
    Journal.create(tmp_path).close()
    acknowledged: dict[int, str] = {}
    for life in range(kills):
        read_end, write_end = os.pipe()
        script = WRITER.format(path=sys.path)
        child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(write_end), str(life)], pass_fds=[write_end])
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            pipe.read(8)  # started; the opening itself is among the random moments
            time.sleep(rng.uniform(0.0, 0.06))
            child.send_signal(signal.SIGKILL)
            seen = pipe.read()
        assert child.wait() == -signal.SIGKILL
        for (seq,) in struct.iter_unpack("<q", seen[: len(seen) // 8 * 8]):
            assert seq not in acknowledged
            acknowledged[seq] = str(life)
        with Journal.open(tmp_path) as journal:
            assert journal.durable_seq >= max(acknowledged, default=-1)
    found = {stamped.seq: stamped.record for stamped in read_journal(tmp_path)}
    assert len(acknowledged) > kills
    for seq, life_ in acknowledged.items():
        record = found[seq]
        assert isinstance(record, Event)
        assert (record.what, record.text.rstrip("x")) == (life_, str(seq))
    assert [record.text.rstrip("x") for record in found.values() if isinstance(record, Event)] == [str(seq) for seq in found]
