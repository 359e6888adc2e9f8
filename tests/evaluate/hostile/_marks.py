"""Channels through files and devices that both sandboxes are shown.  Part of the candidate's program."""

import contextlib
import ctypes
import fcntl
import mmap
import os
import signal
import struct
import threading

from _channel import ARM, LIBRARY, PAGE, Channel, checked, libc, mapped

MANY = sorted(f"{LIBRARY}/encodings/{name}" for name in os.listdir(f"{LIBRARY}/encodings") if name.endswith(".py"))


class TimesOfADevice(Channel):
    def mark(self, n):
        os.utime("/dev/null")

    def look(self, n):
        return int(self.change(os.stat("/dev/null").st_mtime_ns) > 0)


class TimesOfAFile(Channel):
    def mark(self, n):
        with open(f"{LIBRARY}/antigravity.py", "rb") as file:
            file.read()

    def look(self, n):
        return int(self.change(os.stat(f"{LIBRARY}/antigravity.py").st_atime_ns) > 0)


class Lease(Channel):
    def mark(self, n):
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        self.held.append(os.open(f"{LIBRARY}/this.py", os.O_RDONLY))
        fcntl.fcntl(self.held[0], fcntl.F_SETLEASE, fcntl.F_WRLCK)

    def look(self, n):
        try:
            os.close(os.open(f"{LIBRARY}/this.py", os.O_RDONLY | os.O_NONBLOCK))
        except BlockingIOError:
            return 1
        return 0


class WriteHint(Channel):
    def put(self, hint):
        with open(f"{LIBRARY}/turtle.py") as file:
            fcntl.fcntl(file, 1036, struct.pack("Q", hint))

    def mark(self, n):
        self.put(3)

    def clear(self):
        with contextlib.suppress(OSError):
            self.put(2)

    def look(self, n):
        with open(f"{LIBRARY}/turtle.py") as file:
            return struct.unpack("Q", fcntl.fcntl(file, 1035, bytes(8)))[0]


class Notices(Channel):
    def ready(self, n):
        if not self.held:
            self.held.append(checked(libc.inotify_init1(os.O_NONBLOCK)))
            checked(libc.inotify_add_watch(self.held[0], f"{LIBRARY}/cmd.py".encode(), 0x20))

    def mark(self, n):
        with open(f"{LIBRARY}/cmd.py"):
            pass

    def clear(self):
        pass

    def look(self, n):
        return len(os.read(self.held[0], 4096))


class Flock(Channel):
    def mark(self, n):
        self.held.append(os.open(f"{LIBRARY}/pdb.py", os.O_RDONLY))
        self.lock()

    def lock(self):
        fcntl.flock(self.held[0], fcntl.LOCK_EX)

    def look(self, n):
        with open(f"{LIBRARY}/pdb.py") as file:
            return self.ask(file)

    def ask(self, file):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 1
        return 0


class PosixLock(Flock):
    put, get = fcntl.F_SETLK, fcntl.F_GETLK

    def lock(self):
        fcntl.fcntl(self.held[0], self.put, struct.pack("hhqqi", fcntl.F_RDLCK, 0, 0, 0, 0))

    def ask(self, file):
        asked = fcntl.fcntl(file, self.get, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
        return int(struct.unpack("hhqqi", asked)[0] != fcntl.F_UNLCK)


class OpenFileLock(PosixLock):
    put, get = 37, 36


class ListOfLocks(Flock):
    def look(self, n):
        with open("/proc/locks") as file:
            return len(file.readlines())


class Futex(Channel):
    def mark(self, n):
        place = mapped(f"{LIBRARY}/abc.py")
        asked = (98 if ARM else 202, ctypes.c_void_p(place), 0, ctypes.c_int.from_buffer_copy(ctypes.string_at(place, 4)))
        span = (ctypes.c_long * 2)(0, int(self.step * 6e8))
        threading.Thread(target=lambda: libc.syscall(*asked, span, None, 0)).start()

    def look(self, n):
        return checked(libc.syscall(98 if ARM else 202, ctypes.c_void_p(mapped(f"{LIBRARY}/abc.py")), 1, 9, None, None, 0))


class SharedPages(Channel):
    """How often a page of a file is mapped: ``smaps``."""

    def mark(self, n):
        self.place = mapped(MANY[n % len(MANY)])

    def clear(self):
        if place := getattr(self, "place", 0):
            libc.munmap(ctypes.c_void_p(place), PAGE)
        self.place = 0

    def look(self, n):
        self.mark(n)
        with open("/proc/self/smaps") as file:
            parts = file.read().split(f"{self.place:x}-", 1)[1]
        self.clear()
        return int(parts.split("Shared_Clean:", 1)[1].split()[0])


class SharedPageMap(SharedPages):
    def look(self, n):
        self.mark(n)
        with open("/proc/self/pagemap", "rb", 0) as file:
            entry = struct.unpack("Q", os.pread(file.fileno(), 8, self.place // PAGE * 8))[0]
        self.clear()
        return 1 - (entry >> 56 & 1)


class Resident(Channel):
    """Whether a page of a file is in memory, asked by a call."""

    def file(self, n):
        return os.open(MANY[n % len(MANY)], os.O_RDONLY)

    def ready(self, n):
        file = self.file(n)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)

    def mark(self, n):
        file = self.file(n)
        os.read(file, 1)
        os.close(file)

    def look(self, n):
        file = self.file(n)
        try:
            return self.ask(file)
        finally:
            os.close(file)

    def ask(self, file):
        place = checked(libc.mmap(None, PAGE, mmap.PROT_READ, mmap.MAP_SHARED, file, 0))
        found = (ctypes.c_ubyte * 1)()
        try:
            checked(libc.mincore(ctypes.c_void_p(place), PAGE, found))
        finally:
            libc.munmap(ctypes.c_void_p(place), PAGE)
        return found[0] & 1


class ResidentByCount(Resident):
    def ask(self, file):
        span, found = (ctypes.c_ulong * 2)(0, PAGE), (ctypes.c_ulong * 5)()
        checked(libc.syscall(451, file, span, found, 0))
        return found[0]


class ResidentByRead(Resident):
    def ask(self, file):
        try:
            return os.preadv(file, [bytearray(1)], 0, os.RWF_NOWAIT)
        except BlockingIOError:
            return 0
