"""The warm fork server: first process of its own strict sandbox, with the declared imports loaded.  Never runs candidate code.

Each request is one message with three descriptors: the request, the log, and a reply pipe that exists for this child alone and
that no earlier child can hold.  The server forks a child as the first process of a PID namespace of its own, so that its end proves
the end of everything it started.  Before candidate code runs the child closes every other descriptor, takes mount, IPC, network and
user namespaces of its own with fresh tmpfs, drops all capabilities and shuts the door with the full filter.

Protocol on descriptor 0 (datagrams, marshalled): in ``("run", fds...)`` and ``("kill",)``; out ``["ready"]`` or ``["failed", why]``
once, then ``["ended", code, cpu_s, maxrss_kib]`` for each child.  What stays shared with siblings, unlike a cold start: address
layout, hash seed, the memory limit of the slot.  Stands alone like ``_stub``.
"""

import sys

if __name__ == "__main__":  # first of all: it notes what every interpreter has loaded
    sys.path.insert(0, "/stub")
    import _stub  # the other file beside this one

    sys.path.remove("/stub")
else:
    from evolve.evaluate.child import _stub

import ctypes
import marshal
import os
import select
import signal
import socket

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_RDONLY, MS_REMOUNT = 2, 4, 1, 32
PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 24, 22, 38, 47
SETUP_FAILED = 70
_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def must(what: str, result: int) -> None:
    """Raise for a call that failed."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


# ------------------------------------------------------------------------------------------------------------------- child


def shut_in(scratch: int) -> None:
    """Own mount, IPC, network and user namespaces with fresh tmpfs; ``close_door`` must follow before candidate code."""
    must("unshare", _libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET))
    for place in ("/work", "/tmp", "/output", "/dev/shm", "/candidate", "/input"):
        options = f"size={scratch},mode=1777".encode()
        must(f"mount {place}", _libc.mount(b"tmpfs", place.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options))


def close_door(filter_bytes: bytes) -> None:
    """Give up every privilege, for good."""
    for place in (b"/candidate", b"/input"):
        must("remount", _libc.mount(None, place, None, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, None))
    must("unshare user", _libc.unshare(CLONE_NEWUSER))
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1:
            break
    must("ambient", _libc.prctl(PR_CAP_AMBIENT, 4, 0, 0, 0))
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    must("capset", _libc.capset(header, (ctypes.c_uint32 * 6)()))
    must("no_new_privs", _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    program = _Program(len(filter_bytes) // 8, filter_bytes)
    must("seccomp", _libc.prctl(PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0))


def be_child(fds: list, filter_bytes: bytes) -> None:
    """From the fork to the candidate's code; never returns."""
    os.setsid()  # the server's process group is none that a candidate may signal, and a swarm of processes is one to the scheduler
    signal.set_wakeup_fd(-1)
    request_fd, log_fd, reply_fd = (_high(fd) for fd in fds)
    os.dup2(log_fd, 1)
    os.dup2(log_fd, 2)
    os.dup2(reply_fd, _stub.REPLY_FD)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    kept = os.dup2(request_fd, 4, inheritable=False)
    os.closerange(kept + 1, 1024)
    request = _stub.read_request(kept)
    if not request["turns"]:
        os.close(kept)
    shut_in(request["scratch"])
    for root, files in (("/candidate", request["files"]), (request["work"], request["files"]), ("/input", request["input_files"])):
        _write_files(root, files)
    close_door(filter_bytes)
    _stub.set_limits(request["limits"])
    _reseed()
    import gc

    gc.enable()
    sys.excepthook = _stub.report_uncaught
    if request["turns"]:
        _stub.answer_turns(request, kept)
    _stub.answer_calls(request)


def close_all(fds: list) -> None:
    for fd in fds:
        os.close(fd)


def _high(fd: int) -> int:
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64)


def _write_files(root: str, files: dict) -> None:
    for name, data in files.items():
        path = f"{root}/{name}"
        if "/" in name:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        _stub.write_all(file, data)
        os.close(file)


def _reseed() -> None:
    """Generators that exist already would give every child the same numbers; a cold start has none."""
    random, numpy = sys.modules.get("random"), sys.modules.get("numpy.random")
    if random is not None:
        random.seed()
    if numpy is not None:
        numpy.seed()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()


# ------------------------------------------------------------------------------------------------------------------ server


class Server:
    """One child at a time."""

    def __init__(self, control: socket.socket, filter_bytes: bytes) -> None:
        self.control = control
        self.filter = filter_bytes
        self.home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def say(self, *message: str | int | float) -> None:
        self.control.send(marshal.dumps(list(message)))

    def fork(self) -> int:
        """As ``os.fork``; the child is the first process of a new PID namespace."""
        must("unshare pid", _libc.unshare(CLONE_NEWPID))
        pid = os.fork()
        if pid:
            must("setns", _libc.setns(self.home, CLONE_NEWPID))
        return pid

    def probe(self) -> str:
        """Whether a child can be shut in here; why not, or nothing."""
        reading, writing = os.pipe()
        pid = self.fork()
        if pid == 0:
            try:
                shut_in(1 << 20)
                close_door(self.filter)
            except OSError as error:
                os.write(writing, str(error).encode())
                os._exit(SETUP_FAILED)
            os._exit(0)
        os.close(writing)
        with open(reading, "rb") as file:
            why = file.read().decode()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return why or (f"a child ended with {code}" if code else "")

    def serve(self) -> None:
        """Until the control socket closes."""
        while True:
            data, fds, _, _ = socket.recv_fds(self.control, 4096, 8)
            if not data:
                return
            if not fds:
                continue  # a kill that came after the end
            pid = self.fork()
            if pid == 0:
                be_child(fds, self.filter)
            close_all(fds)  # a call: what a loop leaves in this frame would tell the next child that it is not the first
            self.watch(pid)

    def watch(self, pid: int) -> None:
        pidfd = os.pidfd_open(pid)
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.register(self.control, select.POLLIN)
        while pidfd not in (ready := {fd for fd, _ in poller.poll()}):
            if self.control.fileno() in ready and not self.control.recv(4096):
                os._exit(0)  # the grader is gone, and with the first process everything in here
            os.kill(pid, signal.SIGKILL)
        os.close(pidfd)
        _, status, usage = os.wait4(pid, 0)
        self.say("ended", os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def main(arguments: list) -> None:
    """``module ...``, with the full filter as descriptor 5 and the control socket as 0."""
    import gc

    for name in ("_json", "fcntl", "resource"):  # what every child would load
        __import__(name)
    control = socket.socket(fileno=os.dup(0))
    with open(5, "rb") as file:
        filter_bytes = file.read()
    sys.path += ["/site", "/meta"]
    _stub.preload(arguments)
    del sys.path[-2:]
    _stub.program.add_names_of_site()
    must("dumpable", _libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
    server = Server(control, filter_bytes)
    threads = len(os.listdir("/proc/self/task"))
    why = f"an import started {threads - 1} threads" if threads > 1 else server.probe()
    gc.collect()
    gc.freeze()
    gc.disable()
    server.say("failed", why) if why else server.say("ready")
    if not why:
        server.serve()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
