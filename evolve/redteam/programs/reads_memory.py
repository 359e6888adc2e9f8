"""Reads the memory of other processes: by process_vm_readv, by /proc/PID/mem, by tracing them."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)


class Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


def stacks(pid):
    """(start, size) of the writable parts of a process: its environment lies in one of them."""
    for line in read(f"/proc/{pid}/maps").decode("utf-8", "replace").splitlines():
        if " rw-p " in line:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            yield start, min(end - start, 1 << 21)


for pid in (PLAN["pid"], os.getppid(), 1):
    if pid in (0, os.getpid()):
        continue
    for start, size in stacks(pid):
        buffer = ctypes.create_string_buffer(size)
        ours, theirs = Vector(ctypes.addressof(buffer), size), Vector(start, size)
        if libc.process_vm_readv(pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0) > 0:
            find_secret(buffer.raw, "memory by process_vm_readv")
        fd = attempt(os.open, f"/proc/{pid}/mem", os.O_RDONLY)
        if fd is not None:
            find_secret(attempt(os.pread, fd, size, start) or b"", "memory by /proc/PID/mem")
            os.close(fd)
if libc.ptrace(16, PLAN["pid"], None, None) == 0:  # PTRACE_ATTACH
    libc.ptrace(17, PLAN["pid"], None, None)  # PTRACE_DETACH
    reached("another process by ptrace")
