"""Channels through what the kernel counts, for a user or for the machine, and through names.  Part of the candidate's program."""

import array
import contextlib
import ctypes
import fcntl
import mmap
import os
import resource
import signal
import socket
import threading

from _channel import LIBRARY, PAGE, Channel, checked, libc, number_in


class InFlight(Channel):
    """Descriptors on their way are counted for a user, against the limit of whoever sends."""

    def mark(self, n):
        self.held += socket.socketpair()
        self.held[0].setblocking(False)
        for _ in range(4):
            self.held[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 200))])

    def look(self, n):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        one, two = socket.socketpair()
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, hard))
        try:
            one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
        except OSError:
            return 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            one.close()
            two.close()
        return 0


class PipePages(Channel):
    """A user with too many pages in pipes gets small ones."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def ready(self, n):
        while len(self.kept) < 800:
            self.kept += os.pipe()

    def mark(self, n):
        told, tell = os.pipe()
        ending, end = os.pipe()
        if os.fork() == 0:
            os.close(end)
            kept = [os.pipe() for _ in range(450)]
            os.write(tell, b"x")
            os.read(ending, len(kept) and 1)
            os._exit(0)
        os.close(ending)
        self.held = [told, tell, end, *(fd for _ in range(450) for fd in os.pipe())]
        os.read(told, 1)

    def clear(self):
        if self.held:
            super().clear()
            os.wait()

    def look(self, n):
        pair = os.pipe()
        size = fcntl.fcntl(pair[0], 1032)
        for fd in pair:
            os.close(fd)
        return int(size < 16 * PAGE)


class WatchInstances(Channel):
    def mark(self, n):
        for _ in range(200):
            self.held.append(checked(libc.inotify_init1(0)))

    def look(self, n):
        try:
            os.close(checked(libc.inotify_init1(0)))
        except OSError as error:
            return int(error.errno == 24)
        return 0


class LockedPages(Channel):
    def mark(self, n):
        self.memory = mmap.mmap(-1, 96 * PAGE)
        place = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        checked(libc.mlock(ctypes.c_void_p(place), 96 * PAGE))

    def clear(self):
        self.memory = None

    def look(self, n):
        return self.change(number_in("/proc/vmstat", "unevictable_pgs_mlocked"))


class LockedNow(LockedPages):
    def look(self, n):
        return number_in("/proc/meminfo", "Mlocked:")


class Promised(Channel):
    def mark(self, n):
        self.held.append(mmap.mmap(-1, 1 << 28))

    def look(self, n):
        return number_in("/proc/meminfo", "Committed_AS:")


class LockedSharedMemory(Channel):
    def lock(self, size):
        number = checked(libc.shmget(0, size, 0o1600))
        done = libc.shmctl(number, 11, None)
        return number, done

    def mark(self, n):
        self.number = self.lock(100 * PAGE)[0]

    def clear(self):
        number, self.number = getattr(self, "number", -1), -1
        libc.shmctl(number, 0, None)

    def look(self, n):
        number, done = self.lock(100 * PAGE)
        libc.shmctl(number, 0, None)
        return -done


class Forks(Channel):
    def mark(self, n):
        for _ in range(100):
            threading.Thread(target=int).start()

    def look(self, n):
        return self.change(number_in("/proc/stat", "processes"))


class Sysinfo(Channel):
    def mark(self, n):
        with open("/dev/shm/large", "wb") as file:
            file.write(bytes(8 << 20))

    def clear(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink("/dev/shm/large")

    def look(self, n):
        told = (ctypes.c_ulong * 16)()
        checked(libc.sysinfo(told))
        return told[6]  # of shared memory


class FreeSpace(Sysinfo):
    def look(self, n):
        return sum(os.statvfs(place).f_bavail for place in ("/", "/dev/shm", "/py/bin", LIBRARY, "/candidate", "/proc"))


class SharedMemory(Channel):
    def mark(self, n):
        self.number = checked(libc.shmget(77, 4096, 0o1666))

    def clear(self):
        number, self.number = getattr(self, "number", -1), -1
        libc.shmctl(number, 0, None)

    def look(self, n):
        return int(libc.shmget(77, 0, 0) >= 0)


class Folders(Channel):
    def mark(self, n):
        for folder in ("/dev/shm", "/tmp", "/work", "/output"):
            self.held.append(os.open(f"{folder}/marked", os.O_WRONLY | os.O_CREAT, 0o600))

    def clear(self):
        super().clear()
        for folder in ("/dev/shm", "/tmp", "/work", "/output"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{folder}/marked")

    def look(self, n):
        return sum(os.path.exists(f"{folder}/marked") for folder in ("/dev/shm", "/tmp", "/work", "/output"))


class Addresses(Channel):
    def mark(self, n):
        self.held = [socket.socket(socket.AF_UNIX), socket.socket()]
        self.held[0].bind("\0marked")
        self.held[1].bind(("127.0.0.1", 34567))

    def look(self, n):
        taken = 0
        for family, place in ((socket.AF_UNIX, "\0marked"), (socket.AF_INET, ("127.0.0.1", 34567))):
            with socket.socket(family) as one:
                try:
                    one.bind(place)
                except OSError:
                    taken += 1
        return taken


class Packets(Channel):
    """Counters of the network that are the machine's, also where the network is not: those of packets taken in hand."""

    def mark(self, n):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            for _ in range(200):
                one.sendto(b"x", ("127.0.0.1", 9))

    def look(self, n):
        with open("/proc/net/softnet_stat") as file:
            return self.change(sum(int(line.split()[0], 16) for line in file))


class TcpSockets(Channel):
    def mark(self, n):
        self.held = [socket.socket() for _ in range(200)]

    def look(self, n):
        with open("/proc/net/sockstat") as file:
            return next(int(line.split()[8]) for line in file if line.startswith("TCP:"))


class TcpMemory(Channel):
    """What waits in sockets is counted for the protocol, whatever the network, in ``sockstat`` and ``protocols``."""

    def mark(self, n):
        with socket.create_server(("127.0.0.1", 0)) as server:
            for _ in range(4):
                one = socket.create_connection(server.getsockname())
                self.held += [one, server.accept()[0]]
                one.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        one.send(bytes(1 << 18))

    def look(self, n):
        with open("/proc/net/sockstat") as file:
            return next(int(line.split()[-1]) for line in file if line.startswith("TCP:"))


class UdpMemory(Channel):
    def mark(self, n):
        self.held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(40)]
        for one in self.held:
            one.bind(("127.0.0.1", 0))
            for _ in range(4):
                one.sendto(bytes(50000), one.getsockname())

    def look(self, n):
        with open("/proc/net/protocols") as file:
            return next(int(line.split()[3]) for line in file if line.startswith("UDP "))


class Processes(Channel):
    def mark(self, n):
        self.end = threading.Event()
        for _ in range(40):
            threading.Thread(target=self.end.wait).start()

    def clear(self):
        if end := getattr(self, "end", None):
            end.set()

    def look(self, n):
        told = (ctypes.c_ushort * 64)()
        checked(libc.sysinfo(told))
        return told[40]


class NumbersOfPipes(Channel):
    def mark(self, n):
        for _ in range(300):
            for fd in os.pipe():
                os.close(fd)

    def look(self, n):
        found = []
        for _ in range(4):
            pair = os.pipe()
            found.append(os.fstat(pair[0]).st_ino)
            for fd in pair:
                os.close(fd)
        return self.change(max(found))


class NumbersOfEvents(Channel):
    """The lowest that is free on the machine."""

    def mark(self, n):
        self.held = [os.eventfd(0) for _ in range(400)]

    def look(self, n):
        pair = [os.eventfd(0) for _ in range(3)]
        told = [number_in(f"/proc/self/fdinfo/{fd}", "eventfd-id:") for fd in pair]
        for fd in pair:
            os.close(fd)
        return max(told)


class NumbersOfSessions(Channel):
    """Each has a number of its own for the scheduler, counted over the machine."""

    def session(self):
        told, tell = os.pipe()
        if os.fork() == 0:
            os.setsid()
            with open("/proc/self/autogroup", "rb") as file:
                os.write(tell, file.read())
            os._exit(0)
        os.wait()
        said = os.read(told, 100)
        os.close(told)
        os.close(tell)
        return int(said.split()[0].partition(b"-")[2])

    def mark(self, n):
        for _ in range(30):
            if os.fork() == 0:
                os.setsid()
                os._exit(0)
        for _ in range(30):
            os.wait()

    def look(self, n):
        return self.change(self.session())


class NumbersOfProcesses(Channel):
    """The descriptor of a process has an inode, numbered as processes begin."""

    def mark(self, n):
        for _ in range(100):
            threading.Thread(target=int).start()

    def look(self, n):
        if (child := os.fork()) == 0:
            os._exit(0)
        try:
            fd = os.pidfd_open(child)
        finally:
            os.waitpid(child, 0)
        number = os.fstat(fd).st_ino
        os.close(fd)
        return self.change(number)


class QueuedSignals(Channel):
    """Signals that wait are counted for a user, against the limit of whoever sends."""

    def put(self, count):
        signal.pthread_sigmask(signal.SIG_BLOCK, [40])
        put = 0
        while put < count and libc.sigqueue(os.getpid(), 40, None) == 0:
            put += 1
        return put

    def take(self):
        while signal.sigtimedwait([40], 0):
            pass

    def mark(self, n):
        self.put(900)

    def clear(self):
        self.take()

    def look(self, n):
        put = self.put(900)
        self.take()
        return put
