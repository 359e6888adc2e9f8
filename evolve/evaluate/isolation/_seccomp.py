"""The system call filter, assembled here: a deny-list as classic BPF, no library needed.

A deny-list, not an allow-list: drivers and runtimes change which calls they make, and the namespaces already hold files, network
and signals.  The filter takes away what enlarges the kernel's surface or reaches another process: new namespaces, mounts, tracing,
keys, BPF, io_uring, modules, clocks, raw kernel interfaces.  Calls of a foreign ABI (32-bit, x32) end the process.

It also takes away what asks or steers the page cache of files: pages of what every sandbox sees are the machine's, so who may say
which of them are in memory, and ask again, can leave word for the next sandbox (``_page_cache``).  These calls fail the way they do
on kernels or file systems without them, for which callers are prepared: no such call, unknown advice, unsupported flag.

And what marks an object that two sandboxes share, or a count that the kernel keeps for a user or for the machine: leases, write
hints and notices of files (a lease on a library that a rival opens stalls it), inotify, the size of pipes, huge and merged pages,
cookies of sockets, descriptors of events and of processes, protocols that load a module, the block map of files, the syncing of
disks (nothing a sandbox may write lies on one, so that syncing is done as soon as it is asked for).

A sandbox with GPUs may have descriptors of events: the threads of CUDA wait on them, and it does not start without.  The ioctls of
NVIDIA's nodes (type ``F``, and numbers without a type) are not among those refused.

Numbers: the kernel's ``arch/x86/entry/syscalls/syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h`` (aarch64).
"""

from __future__ import annotations

import platform
import struct

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
EPERM = 0x00050000 | 1
ENOSYS = 0x00050000 | 38
SUCCESS = 0x00050000  # answered without being carried out
EINVAL = 0x00050000 | 22
ENOMEM = 0x00050000 | 12
ENOTTY = 0x00050000 | 25
ENOPROTOOPT = 0x00050000 | 92
EPROTONOSUPPORT = 0x00050000 | 93
EOPNOTSUPP = 0x00050000 | 95
EAFNOSUPPORT = 0x00050000 | 97
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_LOAD, _JEQ, _JGE, _JSET, _RET, _AND, _JUMP = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54, 0x05
_FARTHEST = 255  # a conditional jump's
_PIDFD = 0x1000  # CLONE_PIDFD
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
    "open_tree_attr": (467, 467),
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
# Calls about the page cache and about other objects of the machine that kernels may be built without.  Legacy aio has one flag too
# many (RWF_NOWAIT) behind a pointer.
_ABSENT: dict[str, tuple[int | None, int | None]] = {
    "cachestat": (451, 451),
    "eventfd": (284, None),  # each has the lowest number that is free on the machine, told in fdinfo
    "eventfd2": (290, 19),
    "fadvise64": (221, 223),
    "inotify_add_watch": (254, 27),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "io_setup": (206, 0),
    "io_submit": (209, 2),
    "listmount": (458, 458),
    "mincore": (27, 232),
    "pidfd_open": (434, 434),  # its inode counts the processes of the machine; `_PIDFD` are the other ways to one
    "readahead": (187, 213),
    "statmount": (457, 457),
    "sync_file_range": (277, 84),
}
_DONE: dict[str, tuple[int, int]] = {"fdatasync": (75, 83), "fsync": (74, 82), "sync": (162, 81), "syncfs": (306, 267)}
_MADVISE = (28, 233)
# MADV_COLD, MADV_PAGEOUT and MADV_COLLAPSE act on the pages of a file, not on the caller's view of them; MADV_MERGEABLE shares
# equal pages with whoever else has them.
_ADVICE = (12, 20, 21, 25)
_FCNTL = (72, 25)
# F_SETLEASE, F_GETLEASE, F_NOTIFY, F_SETPIPE_SZ; F_GET_RW_HINT to F_SET_FILE_RW_HINT.
_COMMANDS = (1024, 1025, 1026, 1031, 1035, 1036, 1037, 1038)
_PRCTL = (157, 167)
_OPTIONS = (67, 68)  # PR_SET_MEMORY_MERGE, PR_GET_MEMORY_MERGE
_IOCTL = (16, 29)
_IOCTL_TYPES = (0x6600, 0x5800, 0x7600)  # 'f', 'X', 'v': file systems, their extent caches among them
_GETSOCKOPT = (55, 209)
_SOL_SOCKET = 1
_COUNTED = (57, 71, 77)  # SO_COOKIE, SO_NETNS_COOKIE, SO_PEERPIDFD: numbers counted over the machine
_SETSOCKOPT = (54, 208)
_PASSED = (76,)  # SO_PASSPIDFD
_HUGE: dict[str, tuple[int, int, int, int, int]] = {  # numbers, argument, flag, answer: huge pages are a pool of the machine's
    "memfd_create": (319, 279, 1, 0x4, EINVAL),
    "mmap": (9, 222, 3, 0x40000, ENOMEM),
    "shmget": (29, 194, 2, 0o4000, EPERM),
}
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
_NETLINK = 16  # of it only protocol 0, routes and links of the own network namespace
_PROTOCOLS = (0, 1, 6, 17, 58)  # the default, ICMP, TCP, UDP, ICMPv6; asking for another may load a module into the kernel
_CUDA = frozenset({"eventfd", "eventfd2"})
_FORK_SERVER = frozenset({"unshare", "setns", "mount", "umount2", "seccomp", "sethostname", "pidfd_open"})


def supported() -> bool:
    """Whether the numbers of this machine's architecture are known here."""
    return platform.machine() in _AUDIT


def program(machine: str | None = None, *, fork_server: bool = False, gpus: bool = False) -> bytes:
    """The filter as ``struct sock_filter[]`` for ``bwrap --seccomp`` or ``prctl(PR_SET_SECCOMP)``.

    Args:
        machine: as ``platform.machine()`` says it; this machine's when None.
        fork_server: leave out the calls with which the warm server shuts its children in.  Each child adds the full filter before
            candidate code runs.
        gpus: leave out what CUDA needs.

    Raises:
        ValueError: no table for this architecture.
    """
    machine = machine or platform.machine()
    if machine not in _AUDIT:
        raise ValueError(f"no system call table for {machine}; the strict tier knows x86_64 and aarch64")
    column = 0 if machine == "x86_64" else 1
    answers = ((_DENIED, EPERM), (_ABSENT, ENOSYS), (_DONE, SUCCESS))
    listed = {name: (numbers[column], answer) for table, answer in answers for name, numbers in table.items()}
    left_out = (_FORK_SERVER if fork_server else frozenset()) | (_CUDA if gpus else frozenset())
    rules = {number: [_op(_RET, answer)] for name, (number, answer) in listed.items() if name not in left_out}
    if not fork_server:
        rules |= _arguments(column)
    head = [_op(_LOAD, 4), _op(_JEQ, _AUDIT[machine], 1, 0), _op(_RET, KILL_PROCESS), _op(_LOAD, 0)]
    x32 = {0x40000000: [_op(_RET, KILL_PROCESS)]} if machine == "x86_64" else {}
    return b"".join(head + _search(_ranges({number: rule for number, rule in rules.items() if number is not None}, x32)))


def _ranges(rules: dict[int, list[bytes]], above: dict[int, list[bytes]]) -> list[tuple[int, list[bytes]]]:
    """(first number, what to do) of each range of numbers that are treated alike; ``above`` holds for all from its number on."""
    allow = [_op(_RET, ALLOW)]
    starts = {0: allow} | {number + 1: allow for number in rules} | rules | above
    ranges: list[tuple[int, list[bytes]]] = []
    for number, rule in sorted(starts.items(), key=lambda item: item[0]):
        if not ranges or ranges[-1][1] != rule:
            ranges.append((number, rule))
    return ranges


def _search(ranges: list[tuple[int, list[bytes]]]) -> list[bytes]:
    """A binary search for the number: each call goes this way, and the kernel tries all numbers when it is given a filter."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, rest = _search(ranges[:middle]), _search(ranges[middle:])
    if len(below) <= _FARTHEST:
        return [_op(_JGE, ranges[middle][0], len(below), 0), *below, *rest]
    return [_op(_JGE, ranges[middle][0], 0, 1), _op(_JUMP, len(below)), *below, *rest]


def _arguments(column: int) -> dict[int | None, list[bytes]]:
    """Rules that look at an argument, by number of the call."""
    # The flags of clone3 lie behind a pointer; libc falls back to clone.
    rules: dict[int | None, list[bytes]] = {_CLONE3[column]: [_op(_RET, ENOSYS)]}
    rules[_CLONE[column]] = _flagged(0, _NAMESPACES) + _flagged(0, _PIDFD, EINVAL)
    for x86, arm, argument in _CHMOD.values():
        rules[(x86, arm)[column]] = _flagged(argument, _SETUID_BITS)
    # prlimit of another process: pid is 0 or the caller's own; a non-zero pid is refused.
    rules[_PRLIMIT[column]] = _flagged(0, 0xFFFFFFFF)
    for numbers in _RWF.values():
        rules[numbers[column]] = _flagged(5, 0xFFFFFFFF, EOPNOTSUPP)
    rules[_MADVISE[column]] = _one_of(2, _ADVICE, EINVAL)
    rules[_FCNTL[column]] = _one_of(1, _COMMANDS, EINVAL)
    rules[_PRCTL[column]] = _one_of(0, _OPTIONS, EINVAL)
    rules[_IOCTL[column]] = _one_of(1, _IOCTL_TYPES, ENOTTY, mask=0xFF00)
    for huge in _HUGE.values():
        rules[huge[column]] = _flagged(*huge[2:])
    rules[_GETSOCKOPT[column]] = _when(1, _SOL_SOCKET, _one_of(2, _COUNTED, ENOPROTOOPT))
    rules[_SETSOCKOPT[column]] = _when(1, _SOL_SOCKET, _one_of(2, _PASSED, ENOPROTOOPT))
    family, protocol = _none_of(0, _FAMILIES, EAFNOSUPPORT), _none_of(2, _PROTOCOLS, EPROTONOSUPPORT)
    rules[_SOCKET[column]] = family + protocol + _when(0, _NETLINK, _none_of(2, (0,), EPROTONOSUPPORT))
    return {number: [*rule, _op(_RET, ALLOW)] for number, rule in rules.items()}


def _one_of(argument: int, values: tuple[int, ...], answer: int, *, mask: int = 0) -> list[bytes]:
    """Refuse the call if an argument (its bits in ``mask``, where given) has one of these values."""
    tests = [_op(_JEQ, value, len(values) - n - 1, int(n == len(values) - 1)) for n, value in enumerate(values)]
    return [_op(_LOAD, _offset(argument)), *([_op(_AND, mask)] if mask else []), *tests, _op(_RET, answer)]


def _none_of(argument: int, values: tuple[int, ...], answer: int) -> list[bytes]:
    """Refuse the call unless an argument has one of these values."""
    tests = [_op(_JEQ, value, len(values) - n, 0) for n, value in enumerate(values)]
    return [_op(_LOAD, _offset(argument)), *tests, _op(_RET, answer)]


def _when(argument: int, value: int, then: list[bytes]) -> list[bytes]:
    """Further rules for a call one of whose arguments has this value."""
    return [_op(_LOAD, _offset(argument)), _op(_JEQ, value, 0, len(then)), *then]


def _offset(argument: int) -> int:
    """Where the low half of a little-endian 64-bit argument lies."""
    return 16 + 8 * argument


def _flagged(argument: int, mask: int, answer: int = EPERM) -> list[bytes]:
    """Refuse the call if an argument has one of these bits."""
    return [_op(_LOAD, _offset(argument)), _op(_JSET, mask, 0, 1), _op(_RET, answer)]


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)
