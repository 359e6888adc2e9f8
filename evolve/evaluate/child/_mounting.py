"""The spawner's mounts: a mount namespace of its own, devices that cannot be marked, and what a slot's sandboxes see, put together
once.  Trusted; stands alone like the spawner.

What sandboxes see is a tree of overlays on a tmpfs, all read-only, which bubblewrap binds as its root in one step.  Through an
overlay the machine's files are objects of this slot (what is locked, leased, watched or marked on one is seen by no other slot),
while their pages in memory stay shared.  Put together here, by whoever started the engine, the tree needs no way to the files from
inside: they may lie in a home that is closed to others.  And a start costs least so: nobody makes, fills or takes down overlays;
bubblewrap, which reads the list of all mounts for each bind, reads it once.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterable

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _REC, _SLAVE = 1, 2, 4, 32, 4096, 16384, 1 << 19
_KEPT_FLAGS = 2 | 4 | 8 | 1024 | 2048  # nosuid, nodev, noexec, noatime, nodiratime: what a mount has and may not lose
_MNT_DETACH = 2
_PR_SET_DUMPABLE = 4
_NEVER_SHOWN = frozenset(
    {"cgroup", "cgroup2", "sysfs", "devpts", "mqueue", "debugfs", "tracefs", "securityfs", "configfs", "bpf", "pstore"}
)
_DATA = "/data/"  # where it lies inside
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")  # those that a sandbox has
_libc = ctypes.CDLL(None, use_errno=True)


def own_namespace() -> None:
    """Take a mount namespace for whatever is started here, and make the nodes of devices read-only in it.

    A sandbox has the host's nodes, and as root or by leave to write it could set their times, their mode, their access lists: marks
    that stay.  On a read-only mount a device itself can be read and written as before.  bubblewrap has no word for that.  Where the
    kernel refuses, the nodes stay as they are.
    """
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWNS) == -1:
        if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS) == -1:
            return
        _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # else /proc/self is root's
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    _libc.mount(None, b"/", None, _REC | _SLAVE, None)
    with open("/proc/self/mountinfo") as file:
        mounted = [(line.split()[4], line.partition(" - ")[2].split()[0]) for line in file]
    for place, kind in reversed(mounted):
        if kind in _NEVER_SHOWN:  # bubblewrap reads the list of all mounts for each that it makes
            _libc.umount2(place.encode(), _MNT_DETACH)
    fasten(_DEVICES)


def fasten(nodes: Iterable) -> None:
    """Make further nodes read-only for whatever is started here.  Where the kernel refuses, they stay as they are."""
    for node in nodes:
        with contextlib.suppress(OSError):
            _mount(node, node, None, _BIND, None)
            _close(node, _NOSUID)


def build(root: str, empty: str, folders: list, links: list, shown: list) -> None:
    """Put the tree together at ``root``, an empty folder.

    Args:
        empty: an empty folder, the second layer that an overlay without an upper one has to have; it adds nothing.
        folders: places inside that are mount points of each sandbox's own.
        links: (target, place inside).
        shown: (file or folder outside, place inside), in the order in which they are laid.

    Raises:
        OSError: this kernel or a file system does not let it be done; nothing is left of it.
    """
    _mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "mode=755,size=16m")
    try:
        for place in folders:
            os.makedirs(root + place, exist_ok=True)
        for target, place in links:
            os.makedirs(os.path.dirname(root + place), exist_ok=True)
            os.symlink(target, root + place)
        for outside, place in shown:
            if place.startswith(_DATA):
                _show_data(outside, root, place, empty)
            else:
                _show_folder(outside, root + place, empty) if os.path.isdir(outside) else _show_file(outside, root + place)
        for node in _DEVICES:
            _show_file(node, root + node)
        _mount(None, root, None, _REMOUNT | _RDONLY | _NOSUID | _NODEV, None)
    except OSError:
        _libc.umount2(root.encode(), _MNT_DETACH)
        raise


def _show_folder(outside: str, place: str, empty: str) -> None:
    os.makedirs(place, exist_ok=True)
    layers = [os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for folder in (empty, outside)]
    try:  # by descriptor: a path may hold what the option has a meaning for
        lower = ":".join(f"/proc/self/fd/{fd}" for fd in layers)
        # Numbers of inodes are those below: an overlay's own would tell a later sandbox in which order folders were first seen.
        _mount("overlay", place, "overlay", _RDONLY | _NOSUID | _NODEV, f"lowerdir={lower},userxattr,xino=on")
    finally:
        for fd in layers:
            os.close(fd)


def _show_file(outside: str, place: str) -> None:
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if not os.path.exists(place):
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    _mount(outside, place, None, _BIND, None)
    _close(place, _NOSUID)


def _show_data(outside: str, root: str, place: str, empty: str) -> None:
    """Show what is too large to be copied: a file through an overlay of its folder, which is taken down again beside it, and
    whatever lies on a file system that cannot lie below an overlay as it is."""
    layer = root + "/.layer"
    try:
        if os.path.isdir(outside):
            return _show_folder(outside, root + place, empty)
        _show_folder(os.path.dirname(outside), layer, empty)
        try:
            return _show_file(os.path.join(layer, os.path.basename(outside)), root + place)
        finally:
            _libc.umount2(layer.encode(), _MNT_DETACH)
            os.rmdir(layer)
    except OSError:
        if not os.path.isdir(outside):
            return _show_file(outside, root + place)
        os.makedirs(root + place, exist_ok=True)
        _mount(outside, root + place, None, _BIND, None)
        return _close(root + place, _NOSUID)


def _close(place: str, more: int) -> None:
    """Make a bind read-only."""
    kept = os.statvfs(place).f_flag & _KEPT_FLAGS
    _mount(None, place, None, _BIND | _REMOUNT | _RDONLY | kept | more, None)


def _mount(source: "str | None", place: str, kind: "str | None", flags: int, options: "str | None") -> None:
    words = [None if word is None else word.encode() for word in (source, place, kind, options)]
    if _libc.mount(words[0], words[1], words[2], flags, words[3]) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), place)
