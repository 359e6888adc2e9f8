"""Requests: whole or not at all, carried out once."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from evolve._errors import UsageError
from evolve.runs import _inbox
from evolve.runs._inbox import InboxWatcher, inbox_folder, pending, post, withdraw


def test_requests_are_read_in_the_order_they_were_left(tmp_path):
    left = [post(tmp_path, "note", json.dumps({"text": str(i)})) for i in range(3)]
    assert list(pending(tmp_path)) == left
    assert withdraw(tmp_path, left[0])
    assert not withdraw(tmp_path, left[0])
    assert list(pending(tmp_path)) == left[1:]


@pytest.mark.parametrize(
    "rubbish", [b"", b"{", b"[]", b'{"verb": "stop"}', b"\xff\xfe", b'{"verb":"note","body":"' + b"x" * (1 << 20) + b'"}']
)
def test_a_file_that_is_no_request_cannot_stop_a_run(tmp_path, rubbish, monkeypatch):
    monkeypatch.setattr(_inbox, "MAX_REQUEST_BYTES", 1 << 20)
    inbox_folder(tmp_path).mkdir()
    (inbox_folder(tmp_path) / "abc.json").write_bytes(rubbish)
    good = post(tmp_path, "stop", "{}")
    assert list(pending(tmp_path)) == [good]
    assert [path.name for path in inbox_folder(tmp_path).iterdir()] == [f"{good.id}.json"]


def test_a_request_that_goes_while_it_is_looked_at_stops_nobody(tmp_path):
    first, second, third = (post(tmp_path, "note", json.dumps({"text": str(i)})) for i in range(3))
    looking = pending(tmp_path)
    assert next(looking) == first
    withdraw(tmp_path, second)
    assert list(looking) == [third]


def test_what_is_larger_than_a_driver_reads_is_not_left(tmp_path, monkeypatch):
    monkeypatch.setattr(_inbox, "MAX_REQUEST_BYTES", 1 << 20)
    with pytest.raises(UsageError, match="a request may have"):
        post(tmp_path, "tell", "x" * (1 << 20))
    assert list(inbox_folder(tmp_path).iterdir()) == []


def test_the_watcher_hands_each_request_over_once(tmp_path):
    seen = SimpleQueue()
    watcher = InboxWatcher(tmp_path, seen.put, every_s=0.01)
    left = post(tmp_path, "stop", "{}")
    assert seen.get(timeout=5) == left
    with pytest.raises(Empty):
        seen.get(timeout=0.1)
    watcher.close()


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, '{"verb":"note","body":' + "[" * 100_000, '{"verb":"no\\ud800te","body":"{}"}', "[]", '"x"', "\x00"],
)
def test_a_file_that_is_no_request_is_removed_and_stops_nobody(tmp_path, text):
    left = post(tmp_path, "stop", "{}")
    (tmp_path / "inbox" / "aaaaaaaaaaaaaaaa.json").write_text(text)
    assert [request.id for request in pending(tmp_path)] == [left.id]
    assert [path.name for path in (tmp_path / "inbox").iterdir()] == [f"{left.id}.json"]


# ------------------------------------------------------------------------------------------------ files that are no files


def lay_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # a socket's name may have a hundred bytes


ODD = {
    "folder": lambda path: (path / "inside").mkdir(parents=True),
    "loop": lambda path: path.symlink_to(path.name),
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to a folder": lambda path: path.symlink_to("/"),
    "pipe": os.mkfifo,
    "socket": lay_socket,
    "not readable": lambda path: (path.write_text("{}"), path.chmod(0)),
    "no name": lambda path: path.with_name("\udcff.json").write_text('{"verb":"note","body":"{}"}'),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_file_stops_and_hangs_nobody(tmp_path, monkeypatch, odd):
    monkeypatch.chdir(tmp_path)
    inbox_folder(tmp_path).mkdir()
    ODD[odd](inbox_folder(tmp_path) / "aaa.json")
    left = post(tmp_path, "stop", "{}")
    seen = SimpleQueue()
    watcher = InboxWatcher(tmp_path, seen.put, every_s=0.01)
    try:
        assert seen.get(timeout=5) == left
        later = post(tmp_path, "stop", "{}")
        assert seen.get(timeout=5) == later
    finally:
        threading.Thread(target=watcher.close, daemon=True).start()  # where it hangs the test must not
    assert list(pending(tmp_path)) == [left, later]
    rest = {path.name for path in inbox_folder(tmp_path).iterdir()} - {f"{one.id}.json" for one in (left, later)}
    assert rest == ({"aaa.json.refused"} if odd == "folder" else {"aaa.json"} & rest if odd == "not readable" else set())


def test_a_link_is_removed_and_what_it_points_to_is_neither_read_nor_touched(tmp_path):
    inbox_folder(tmp_path).mkdir()
    (tmp_path / "other.json").write_text('{"verb": "stop", "body": "{}"}')
    (inbox_folder(tmp_path) / "aaa.json").symlink_to(tmp_path / "other.json")
    assert list(pending(tmp_path)) == []
    assert list(inbox_folder(tmp_path).iterdir()) == []
    assert (tmp_path / "other.json").exists()


def test_what_can_be_moved_nowhere_is_passed_over(tmp_path):
    for name in ("aaa.json", "aaa.json.refused"):
        (inbox_folder(tmp_path) / name / "inside").mkdir(parents=True)
    left = post(tmp_path, "stop", "{}")
    assert list(pending(tmp_path)) == [left]
    assert list(pending(tmp_path)) == [left]


def test_a_watcher_outlives_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    seen, real, failing = SimpleQueue(), Path.is_dir, threading.Event()

    def is_dir(path):
        if path.name == "inbox" and not failing.is_set():
            failing.set()
            raise OSError(24, "Too many open files")
        return real(path)

    monkeypatch.setattr(Path, "is_dir", is_dir)
    watcher = InboxWatcher(tmp_path, seen.put, every_s=0.01)
    assert failing.wait(5)
    left = post(tmp_path, "stop", "{}")
    assert seen.get(timeout=5) == left
    watcher.close()
