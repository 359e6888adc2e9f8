"""The system call filter, assembled here: a deny-list as classic BPF, no library needed.

A deny-list, not an allow-list: drivers and runtimes change which calls they make, and the namespaces already hold files, network
and signals.  The filter takes away what enlarges the kernel's surface or reaches another process: new namespaces, mounts, tracing,
keys, BPF, io_uring, modules, clocks, raw kernel interfaces.  Calls of a foreign ABI (32-bit, x32) end the process.

It also takes away what asks or steers the page cache of files: pages of what every sandbox sees are the machine's, so who may say
which of them are in memory, and ask again, can leave word for the next sandbox (``_page_cache``).  These calls fail the way they do
on kernels or file systems without them, for which callers are prepared: no such call, unknown advice, unsupported flag.

Numbers: the kernel's ``arch/x86/entry/syscalls/syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h`` (aarch64).
"""

from __future__ import annotations

import platform
import struct

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
EPERM = 0x00050000 | 1
ENOSYS = 0x00050000 | 38
EINVAL = 0x00050000 | 22
EOPNOTSUPP = 0x00050000 | 95
EAFNOSUPPORT = 0x00050000 | 97
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_LOAD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_NAMESPACES = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} and CLONE_NEWTIME
_SETUID_BITS = 0o6000

# name: (x86_64, aarch64); None where the architecture has no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "seccomp": (317, 277),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "stime": (None, None),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "ustat": (136, None),
    "vhangup": (153, 58),
}
# Calls about the page cache that kernels may be built without.  Legacy aio has one flag too many (RWF_NOWAIT) behind a pointer.
_ABSENT: dict[str, tuple[int, int]] = {
    "cachestat": (451, 451),
    "fadvise64": (221, 223),
    "io_setup": (206, 0),
    "io_submit": (209, 2),
    "mincore": (27, 232),
    "readahead": (187, 213),
    "sync_file_range": (277, 84),
}
_MADVISE = (28, 233)
_ADVICE = (20, 21, 25)  # MADV_COLD, MADV_PAGEOUT and MADV_COLLAPSE act on the pages of a file, not on the caller's view of them
_RWF = {"preadv2": (327, 286), "pwritev2": (328, 287)}  # the flags, RWF_NOWAIT among them, are argument 5 (3 and 4 the offset)
_CLONE = (56, 220)
_CLONE3 = (435, 435)
# Calls that would leave a set-user-id file; with the index of the argument that holds the mode.
_CHMOD: dict[str, tuple[int | None, int | None, int]] = {
    "chmod": (90, None, 1),
    "fchmod": (91, 52, 1),
    "fchmodat": (268, 53, 2),
    "fchmodat2": (452, 452, 2),
}
_PRLIMIT = (302, 261)
# Families of sockets: unix, inet, inet6, netlink (interface lists).  Others are not all confined by a network namespace (vsock
# reaches the hypervisor) or are surface nobody here needs (alg, packet, bluetooth, xdp).
_SOCKET = (41, 198)
_FAMILIES = (1, 2, 10, 16)
_FORK_SERVER = frozenset({"unshare", "setns", "mount", "umount2", "seccomp", "sethostname"})


def supported() -> bool:
    """Whether the numbers of this machine's architecture are known here."""
    return platform.machine() in _AUDIT


def program(machine: str | None = None, *, fork_server: bool = False) -> bytes:
    """The filter as ``struct sock_filter[]`` for ``bwrap --seccomp`` or ``prctl(PR_SET_SECCOMP)``.

    Args:
        machine: as ``platform.machine()`` says it; this machine's when None.
        fork_server: leave out the calls with which the warm server shuts its children in.  Each child adds the full filter before
            candidate code runs.

    Raises:
        ValueError: no table for this architecture.
    """
    machine = machine or platform.machine()
    if machine not in _AUDIT:
        raise ValueError(f"no system call table for {machine}; the strict tier knows x86_64 and aarch64")
    column = 0 if machine == "x86_64" else 1
    lines = [_op(_LOAD, 4), _op(_JEQ, _AUDIT[machine], 1, 0), _op(_RET, KILL_PROCESS), _op(_LOAD, 0)]
    if machine == "x86_64":
        lines += [_op(_JGE, 0x40000000, 0, 1), _op(_RET, KILL_PROCESS)]
    for name, numbers in sorted(_DENIED.items()):
        number = numbers[column]
        if number is None or (fork_server and name in _FORK_SERVER):
            continue
        lines += [_op(_JEQ, number, 0, 1), _op(_RET, EPERM)]
    for _, numbers in sorted(_ABSENT.items()):
        lines += [_op(_JEQ, numbers[column], 0, 1), _op(_RET, ENOSYS)]
    if not fork_server:
        lines += _arguments(column)
    lines.append(_op(_RET, ALLOW))
    return b"".join(lines)


def _arguments(column: int) -> list[bytes]:
    """Rules that look at an argument.  Each block reloads the number before it falls through to the next."""
    lines = [_op(_JEQ, _CLONE3[column], 0, 1), _op(_RET, ENOSYS)]  # its flags lie behind a pointer; libc falls back to clone
    lines += _flagged(_CLONE[column], 0, _NAMESPACES)
    for x86, arm, argument in _CHMOD.values():
        number = (x86, arm)[column]
        if number is not None:
            lines += _flagged(number, argument, _SETUID_BITS)
    # prlimit of another process: pid is 0 or the caller's own; a non-zero pid is refused.
    lines += _flagged(_PRLIMIT[column], 0, 0xFFFFFFFF)
    for numbers in _RWF.values():
        lines += _flagged(numbers[column], 5, 0xFFFFFFFF, EOPNOTSUPP)
    lines += [_op(_JEQ, _MADVISE[column], 0, len(_ADVICE) + 3), _op(_LOAD, _offset(2))]
    lines += [_op(_JEQ, advice, len(_ADVICE) - n - 1, int(n == len(_ADVICE) - 1)) for n, advice in enumerate(_ADVICE)]
    lines += [_op(_RET, EINVAL), _op(_LOAD, 0)]
    lines += [_op(_JEQ, _SOCKET[column], 0, len(_FAMILIES) + 3), _op(_LOAD, _offset(0))]
    lines += [_op(_JEQ, family, len(_FAMILIES) - n, 0) for n, family in enumerate(_FAMILIES)]
    return [*lines, _op(_RET, EAFNOSUPPORT), _op(_LOAD, 0)]


def _offset(argument: int) -> int:
    """Where the low half of a little-endian 64-bit argument lies."""
    return 16 + 8 * argument


def _flagged(number: int, argument: int, mask: int, answer: int = EPERM) -> list[bytes]:
    return [
        _op(_JEQ, number, 0, 4),
        _op(_LOAD, _offset(argument)),
        _op(_JSET, mask, 0, 1),
        _op(_RET, answer),
        _op(_LOAD, 0),
    ]


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)
