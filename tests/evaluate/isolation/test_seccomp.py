"""The filter, run by an interpreter of classic BPF against every call, on both architectures."""

from __future__ import annotations

import struct

import pytest

from evolve.evaluate.isolation import _seccomp
from evolve.evaluate.isolation._seccomp import (
    ALLOW,
    EAFNOSUPPORT,
    EINVAL,
    ENOMEM,
    ENOPROTOOPT,
    ENOSYS,
    ENOTTY,
    EOPNOTSUPP,
    EPERM,
    EPROTONOSUPPORT,
    KILL_PROCESS,
    SUCCESS,
    program,
)

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def verdict(code: bytes, arch: int, number: int, *arguments: int) -> int:
    """What the filter returns for a call."""
    return run(code, arch, number, *arguments)[0]


def run(code: bytes, arch: int, number: int, *arguments: int) -> tuple[int, int]:
    """What the filter returns for a call, and after how many steps; only the operations it uses."""
    data = struct.pack("<iIQ6Q", number if number < 1 << 31 else number - (1 << 32), arch, 0, *(arguments + (0,) * 6)[:6])
    at, value, steps = 0, 0, 0
    while True:
        steps += 1
        operation, yes, no, constant = struct.unpack_from("=HBBI", code, 8 * at)
        at += 1
        match operation:
            case 0x20:
                value = struct.unpack_from("<I", data, constant)[0]
            case 0x15:
                at += yes if value == constant else no
            case 0x35:
                at += yes if value >= constant else no
            case 0x54:
                value &= constant
            case 0x45:
                at += yes if value & constant else no
            case 0x05:
                at += constant
            case 0x06:
                return int(constant), steps
            case _:
                raise AssertionError(f"unexpected operation {operation:#x}")


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_exactly_the_listed_calls_are_refused(machine: str, column: int) -> None:
    code = program(machine)
    listed = {numbers[column] for numbers in _seccomp._DENIED.values()} - {None}
    special = {_seccomp._CLONE3[column]: ENOSYS, _seccomp._SOCKET[column]: EAFNOSUPPORT}
    special |= {number: ENOSYS for numbers in _seccomp._ABSENT.values() if (number := numbers[column]) is not None}
    special |= {numbers[column]: SUCCESS for numbers in _seccomp._DONE.values()}
    for number in range(600):
        expected = special.get(number, EPERM if number in listed else ALLOW)
        assert verdict(code, ARCH[machine], number) == expected, number


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_arguments_decide_where_they_must(machine: str, column: int) -> None:
    code, arch = program(machine), ARCH[machine]
    clone = _seccomp._CLONE[column]
    threads, fork = 0x003D0F00, 17
    assert verdict(code, arch, clone, threads) == verdict(code, arch, clone, fork) == ALLOW
    for bit in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(code, arch, clone, bit | fork) == EPERM
    assert verdict(code, arch, clone, 0x1000 | fork) == EINVAL  # a descriptor of the process
    for x86, arm, argument in _seccomp._CHMOD.values():
        number = (x86, arm)[column]
        if number is not None:
            assert verdict(code, arch, number, *([0] * argument), 0o755) == ALLOW
            assert verdict(code, arch, number, *([0] * argument), 0o4755) == EPERM
            assert verdict(code, arch, number, *([0] * argument), 0o2755) == EPERM
    for family in range(64):
        wanted = ALLOW if family in (1, 2, 10, 16) else EAFNOSUPPORT
        assert verdict(code, arch, _seccomp._SOCKET[column], family, 1, 0) == wanted
    assert verdict(code, arch, _seccomp._PRLIMIT[column], 0) == ALLOW
    assert verdict(code, arch, _seccomp._PRLIMIT[column], 1) == EPERM
    refused = {12, 20, 21, 25}  # MADV_MERGEABLE, MADV_COLD, MADV_PAGEOUT, MADV_COLLAPSE
    for advice in range(128):
        assert verdict(code, arch, _seccomp._MADVISE[column], 1, 2, advice) == (EINVAL if advice in refused else ALLOW), advice
    for numbers in _seccomp._RWF.values():
        assert verdict(code, arch, numbers[column], 3, 1, 1, 4096, 0, 0) == ALLOW
        for flag in range(16):
            assert verdict(code, arch, numbers[column], 3, 1, 1, 4096, 0, 1 << flag) == EOPNOTSUPP


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_what_marks_a_shared_object_is_refused_and_its_neighbours_are_not(machine: str, column: int) -> None:
    code, arch = program(machine), ARCH[machine]
    refused = {1024, 1025, 1026, 1031, 1035, 1036, 1037, 1038}  # leases, notices, the size of pipes, hints
    for command in [*range(40), *range(1020, 1050)]:
        assert verdict(code, arch, _seccomp._FCNTL[column], 3, command) == (EINVAL if command in refused else ALLOW), command
    for command in range(1 << 16):  # file systems' own, whatever their number; the rest of the 32 bits is size and direction
        kind = command >> 8
        wanted = ENOTTY if kind in (ord("f"), ord("X"), ord("v")) else ALLOW
        assert verdict(code, arch, _seccomp._IOCTL[column], 3, 0xC0200000 | command) == wanted, command
    for level in range(4):
        for option in range(80):
            wanted = ENOPROTOOPT if level == 1 and option in (57, 71, 77) else ALLOW
            assert verdict(code, arch, _seccomp._GETSOCKOPT[column], 3, level, option) == wanted
            wanted = ENOPROTOOPT if level == 1 and option == 76 else ALLOW
            assert verdict(code, arch, _seccomp._SETSOCKOPT[column], 3, level, option) == wanted
    for family in (1, 2, 10, 16):
        for protocol in range(300):
            fine = protocol == 0 if family == 16 else protocol in (0, 1, 6, 17, 58)
            wanted = ALLOW if fine else EPROTONOSUPPORT
            assert verdict(code, arch, _seccomp._SOCKET[column], family, 2, protocol) == wanted, (family, protocol)
    for option in range(80):
        assert verdict(code, arch, _seccomp._PRCTL[column], option) == (EINVAL if option in (67, 68) else ALLOW)
    for name, answer in (("memfd_create", EINVAL), ("mmap", ENOMEM), ("shmget", EPERM)):
        *numbers, argument, flag, _ = _seccomp._HUGE[name]
        assert verdict(code, arch, numbers[column], *([0] * argument), flag | 2) == answer
        assert verdict(code, arch, numbers[column], *([0] * argument), 0x22 & ~flag) == ALLOW


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_no_call_goes_through_a_long_list(machine: str) -> None:
    """Every call of a candidate pays for it, and the kernel tries all numbers when it is given a filter."""
    code = program(machine)
    steps = [run(code, ARCH[machine], number)[1] for number in range(600)]
    assert sum(steps) / len(steps) < 15
    assert max(steps) < 40


def test_foreign_calling_conventions_end_the_process() -> None:
    assert verdict(program("x86_64"), 0x40000003, 1) == KILL_PROCESS  # 32-bit
    assert verdict(program("x86_64"), ARCH["x86_64"], 0x40000000 + 39) == KILL_PROCESS  # x32
    assert verdict(program("aarch64"), 0x40000028, 1) == KILL_PROCESS  # 32-bit ARM


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_with_gpus_what_cuda_calls_is_let_in_and_nothing_else(machine: str, column: int) -> None:
    code, plain, arch = program(machine, gpus=True), program(machine), ARCH[machine]
    events = {numbers[column] for name, numbers in _seccomp._ABSENT.items() if name.startswith("eventfd")} - {None}
    differ = {number for number in range(600) if verdict(code, arch, number) != verdict(plain, arch, number)}
    assert differ == events
    assert {verdict(code, arch, number) for number in events} == {ALLOW}
    ioctl, memfd = _seccomp._IOCTL[column], _seccomp._HUGE["memfd_create"][column]
    for command in (0xC020462A, 0xC00046D6, 0x30000001, 0x30000002, 37, 73):  # of nvidiactl and nvidiaN; of nvidia-uvm
        assert verdict(code, arch, ioctl, 3, command) == ALLOW, hex(command)
    assert verdict(code, arch, ioctl, 3, 0x6600) == ENOTTY
    assert verdict(code, arch, memfd, 0, 1) == ALLOW


def test_the_server_keeps_only_what_it_needs_to_shut_children_in() -> None:
    server, child = program("x86_64", fork_server=True), program("x86_64")
    lifted = {n for n in range(600) if verdict(server, ARCH["x86_64"], n) != verdict(child, ARCH["x86_64"], n)}
    wanted = {(_seccomp._DENIED | _seccomp._ABSENT)[name][0] for name in _seccomp._FORK_SERVER} | {
        _seccomp._CLONE3[0],
        _seccomp._SOCKET[0],
    }
    assert lifted == wanted


def test_the_program_fits_and_unknown_machines_are_refused() -> None:
    for machine in ARCH:
        assert len(program(machine)) % 8 == 0
        assert len(program(machine)) // 8 < 4096
    with pytest.raises(ValueError, match="riscv64"):
        program("riscv64")
