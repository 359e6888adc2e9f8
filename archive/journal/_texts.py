"""Candidates' files: their content hash, and their texts as the journal stores them.

A child differs little from its parent, so its text is compressed with zstd using the parent's as the dictionary; every 16th
generation, and where the parent is no help, the text is stored whole.  Texts are unpacked only when asked for: a store keeps for
each candidate one small integer, the place of its record in the journal.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from hashlib import blake2b
from pathlib import Path

import zstandard

from archive._errors import JournalDamaged
from archive.journal._reader import decode_line, read_journal
from archive.journal._segments import Position, segment_path, unframe
from archive.records._records import Proposed
from archive.records._values import Candidate, PackedText

MAX_DEPTH = 16  # links to the nearest whole text: bounds the cost of reading one
_LEVEL = 3  # level 9 takes ten times as long for a few bytes
_CACHE_BYTES = 32 << 20
_OFFSET_BITS = 44


def candidate_id(files: Mapping[str, str]) -> str:
    """The id of a candidate: a hash of its files, equal in every run and for every order of ``files``.

    80 bits of BLAKE2b as 20 hex digits: among 1e9 candidates two share an id with probability 4e-7.

    Raises:
        ValueError: a text is not Unicode (lone surrogates).
    """
    return blake2b(pack_files(files), digest_size=10).hexdigest()


def pack_files(files: Mapping[str, str]) -> bytes:
    """Files as one string of bytes: a JSON line with names and sizes in order of name, then the texts as UTF-8."""
    texts = [(path, files[path].encode()) for path in sorted(files)]
    names = json.dumps([[path, len(text)] for path, text in texts], separators=(",", ":"), ensure_ascii=False)
    return b"".join([names.encode(), b"\n", *(text for _, text in texts)])


def unpack_files(content: bytes) -> dict[str, str]:
    """The inverse of ``pack_files``."""
    head, _, rest = content.partition(b"\n")
    files = {}
    start = 0
    for path, size in json.loads(head):
        files[path] = rest[start : start + size].decode()
        start += size
    return files


class TextStore:
    """The texts of one run.  Used by one thread.

    The writer of a run calls ``encode`` for a new candidate, appends its record, and tells ``locate`` where it lies; a replay or a
    reader only calls ``locate``.  ``files`` works as soon as ``locate`` has been called, durable or not.
    """

    def __init__(self, run: Path, durable_seq: Callable[[], int] | None = None, *, cache_bytes: int = _CACHE_BYTES) -> None:
        """``durable_seq`` tells up to which record the journal may be read; without it everything noted is durable.

        ``cache_bytes`` bounds the unpacked texts kept in memory.
        """
        self.run = Path(run)
        self._durable_seq = durable_seq
        self._places: dict[str, int] = {}
        self._queued: dict[str, PackedText] = {}
        self._newest: dict[str, int] = {}  # of each queued text: its record's number
        self._order: deque[tuple[int, str]] = deque()
        self._cache: OrderedDict[str, tuple[bytes, int]] = OrderedDict()
        self._cached = 0
        self._cache_bytes = cache_bytes

    @classmethod
    def of_run(cls, run: Path) -> TextStore:
        """A store for reading, filled from the journal of ``run``.  Raises as ``read_journal``."""
        store = cls(run)
        records = read_journal(run)
        for stamped in records:
            record = stamped.record
            if isinstance(record, Proposed) and record.candidate is not None and records.position is not None:
                store.locate(record.candidate.id, records.position)
        return store

    def __contains__(self, candidate: str) -> bool:
        return candidate in self._places

    def __len__(self) -> int:
        return len(self._places)

    def encode(self, candidate: str, files: Mapping[str, str], base: str = "") -> PackedText:
        """The text for the record of a new candidate, against the files of ``base`` (usually its first parent) where that helps.

        A candidate that is known already (a duplicate, which is not recorded) gets a whole text: others may rest on the one it has.

        Raises:
            ValueError: a text is not Unicode (lone surrogates).
        """
        content = pack_files(files)
        packed, depth = b"", 0
        known = candidate in self._places
        if base in self._places and not known:
            base_content, base_depth = self._content(base)
            if base_depth < MAX_DEPTH:
                depth = base_depth + 1
                packed = _compress(content, base_content)
        if not depth or len(packed) * 4 > len(content):
            alone = _compress(content, None)
            if not depth or len(alone) * 0.9 <= len(packed):  # nearly as small, and quicker to read
                packed, depth = alone, 0
        if not known:
            self._keep(candidate, content, depth)
        return PackedText(
            b64encode(packed).decode(), base if depth else "", depth, sum(len(text.encode()) for text in files.values())
        )

    def pack(self, text: str, base: str = "") -> PackedText:
        """Any text for a record, against the files of candidate ``base`` if that is known: a prompt quotes most of a program."""
        content = text.encode("utf-8", "replace")
        known = base in self._places
        packed = _compress(content, self._content(base)[0] if known else None)
        return PackedText(b64encode(packed).decode(), base if known else "", 0, len(content))

    def unpack(self, text: PackedText) -> str:
        """The inverse of ``pack``.

        Raises:
            KeyError: its base is not known.
        """
        return _decompress(b64decode(text.data), self._content(text.base)[0] if text.base else None).decode()

    def locate(self, candidate: str, position: Position, text: PackedText | None = None) -> None:
        """The candidate's record lies at ``position``; ``text`` is kept in memory until that is durable."""
        self._places[candidate] = position.segment << _OFFSET_BITS | position.offset
        if text is not None and candidate in self._cache:  # of two equal children in hand, the recorded one says how deep it lies
            self._cache[candidate] = self._cache[candidate][0], text.depth
        if self._durable_seq is None:
            return
        durable = self._durable_seq()
        while self._order and self._order[0][0] <= durable:
            seq, name = self._order.popleft()
            if self._newest.get(name) == seq:  # noted again since: the later record may not be durable yet
                del self._queued[name], self._newest[name]
        if text is not None and position.seq > durable:
            self._queued[candidate] = text
            self._newest[candidate] = position.seq
            self._order.append((position.seq, candidate))

    def locations(self) -> dict[str, int]:
        """Where every text lies, for a checkpoint; ``load`` takes it."""
        return self._places

    def load(self, places: dict[str, int]) -> None:
        """Know the texts of a checkpoint, all of them durable."""
        self._places.update(places)

    def files(self, candidate: str) -> dict[str, str]:
        """The candidate's files, path to text.

        Raises:
            KeyError: no such candidate.
            JournalDamaged: its record, or one that its text rests on, is not what was written.
        """
        return unpack_files(self._content(candidate)[0])

    def candidate(self, candidate: str) -> Candidate:
        """The candidate as it was recorded, read from the journal; it must be durable.

        Raises:
            KeyError: no such candidate.
            JournalDamaged: its record is not what was written.
        """
        place = self._places[candidate]
        path = segment_path(self.run, place >> _OFFSET_BITS)
        offset = place & ((1 << _OFFSET_BITS) - 1)
        with path.open("rb") as file:
            file.seek(offset)
            body = unframe(file.readline()[:-1])
        record = decode_line(body).record if body is not None else None
        if not isinstance(record, Proposed) or record.candidate is None or record.candidate.id != candidate:
            raise JournalDamaged(f"{path} does not hold candidate {candidate} at byte {offset}; restore the file from a copy")
        return record.candidate

    def _content(self, candidate: str) -> tuple[bytes, int]:
        """The packed files and the depth."""
        chain: list[tuple[str, PackedText]] = []
        found = self._cache.get(candidate)
        name = candidate
        while found is None:
            text = self._queued.get(name) or self.candidate(name).text
            chain.append((name, text))
            if not text.base:
                break
            if len(chain) > len(self._places):
                raise JournalDamaged(f"the text of candidate {candidate} rests on itself; restore the journal")
            name = text.base
            found = self._cache.get(name)
        if found is not None:
            self._cache.move_to_end(name)
        content = found[0] if found is not None else None
        for name, text in reversed(chain):
            content = _decompress(b64decode(text.data), content if text.base else None)
            self._keep(name, content, text.depth)
        return self._cache[candidate]

    def _keep(self, candidate: str, content: bytes, depth: int) -> None:
        old = self._cache.pop(candidate, None)
        self._cached += len(content) - (len(old[0]) if old else 0)
        self._cache[candidate] = content, depth
        while self._cached > self._cache_bytes and len(self._cache) > 1:
            self._cached -= len(self._cache.popitem(last=False)[1][0])


def _compress(content: bytes, base: bytes | None) -> bytes:
    size = len(content) + len(base or b"")
    # Level 3's own tables for a small text take just over glibc's limit for private mappings: new pages each time, six times the
    # cost.  These find the same matches below 32 kB.
    tables = {"hash_log": 13, "chain_log": 13} if size < 1 << 15 else {}
    parameters = zstandard.ZstdCompressionParameters.from_level(_LEVEL, source_size=size, **tables)
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=_dictionary(base)).compress(content)


def _decompress(packed: bytes, base: bytes | None) -> bytes:
    return zstandard.ZstdDecompressor(dict_data=_dictionary(base)).decompress(packed)


def _dictionary(base: bytes | None) -> zstandard.ZstdCompressionDict | None:
    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if base else None


def changed_lines(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[int, int]:
    """Lines added and removed over all files."""
    added = removed = 0
    for path in before.keys() | after.keys():
        old, new = before.get(path, "").splitlines(), after.get(path, "").splitlines()
        for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if tag != "equal":
                removed += j - i
                added += m - k
    return added, removed
