# ruff: noqa: E501  (programs stand in one string each)
"""What a sandbox shares with others of its machine, asked from inside; run as ``python -m hostile._shared`` it prints what it found."""

from __future__ import annotations

import json
import os
import threading

from archive import StartMode
from evolve.evaluate import JsonValue, SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.problem.contract._contract import Stage

# Files of /proc that may say something, and why that is no channel: kept apart by a namespace, or still while the machine runs, or no
# more than sysinfo says, or moved by nothing that a sandbox can do.
TOLD = {
    "cpuinfo loadavg uptime swaps": "no more than sysinfo says: a few bits, of the whole machine's load",
    "cmdline config.gz bootconfig consoles devices dma execdomains fb filesystems iomem ioports misc mtrr version": "still",
    "version_signature partitions modules crypto kallsyms mdstat": "still: nothing inside loads a module or a disk",
    "kmsg kcore sysrq-trigger": "refused without a capability",
    "keys key-users cgroups": "no call that makes a key or a group is let through",
    "sys pressure stat meminfo": "covered by what stands still",
    "fs bus irq tty acpi driver sysvipc dynamic_debug asound scsi xen": "of devices and file systems that nothing inside reaches",
    "net": "a link to self/net",
}
# The same for a process's own folder, in which nothing can be covered: each process has another.
TOLD_OF_A_PROCESS = {
    "arch_status attr auxv cgroup clear_refs cmdline comm coredump_filter cpuset cwd environ exe fd io ksm_merging_pages ksm_stat limits "
    "loginuid map_files maps mem oom_adj oom_score oom_score_adj personality root sched schedstat sessionid stack stat statm status "
    "syscall task timers timerslack_ns wchan patch_state seccomp_cache latency cpu_resctrl_groups make-it-fail fail-nth": "of it alone",
    "ns uid_map gid_map projid_map setgroups timens_offsets": "of its namespaces: nothing inside makes one",
    "smaps smaps_rollup numa_maps pagemap": "a channel that is listed: who else maps a page of a shown file",
    "fdinfo mountinfo mounts mountstats": "numbers of mounts and inodes are listed; of what descriptors say, those of events are refused",
    "autogroup": "a channel that is listed: sessions of the machine are counted",
    "net": "file by file, below",
}
TOLD_OF_THE_NETWORK = {
    "anycast6 arp dev dev_mcast dev_snmp6 fib_trie fib_triestat icmp icmp6 if_inet6 igmp igmp6 ip6_flowlabel ip6_mr_cache ip6_mr_vif "
    "ip_mr_cache ip_mr_vif ipv6_route mcfilter mcfilter6 netlink netstat packet raw raw6 route rt6_stats rt_cache snmp snmp6 tcp tcp6 udp "
    "udp6 udplite udplite6 unix xfrm_stat": "of the network namespace",
    "hci l2cap rfcomm sco vlan bonding wireless sctp rpc": "of sockets and devices that nothing inside makes",
    "arp_tables_matches arp_tables_names arp_tables_targets ip6_tables_matches ip6_tables_names ip6_tables_targets ip6t_hashlimit "
    "ip_tables_matches ip_tables_names ip_tables_targets ipt_hashlimit netfilter nf_conntrack nf_conntrack_expect xt_recent": "refused: no capability",
    "connector ipconfig pnp psched ptype rt_acct": "still: of the machine, and nothing inside adds to it",
    "sockstat sockstat6 protocols softnet_stat stat": "channels that are listed: memory, sockets and packets of the machine are counted",
}

ENUMERATE = """
import ctypes, errno, fcntl, os, socket, stat, struct, time
libc = ctypes.CDLL(None, use_errno=True)

def works(what, call):
    try:
        return [what] if call() not in (None, False) else []
    except (OSError, ValueError, OverflowError):
        return []

def raw(number, *arguments):
    done = libc.syscall(number, *arguments)
    if done == -1:
        raise OSError(ctypes.get_errno(), "")
    return True

def f():
    changed, told, marks = [], [], []
    places = ["/dev/" + name for name in os.listdir("/dev") if stat.S_ISCHR(os.stat("/dev/" + name).st_mode)]
    for folder in ("/py", "/usr/lib", "/usr/lib64", "/lib64", "/own", "/candidate", "/input", "/proc", "/etc", "/site", "/"):
        if os.path.isdir(folder):
            places += [folder, *(os.path.join(folder, name) for name in sorted(os.listdir(folder))[:20] if not name.isdigit())]
    kept = ("/dev/shm", "/tmp", "/work", "/output", "/proc/self", "/proc/thread-self", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr")
    for place in [place for place in places if place not in kept and not os.path.islink(place)]:
        changed += works("times of " + place, lambda: os.utime(place) is None)
        changed += works("mode of " + place, lambda: os.chmod(place, stat.S_IMODE(os.stat(place).st_mode)) is None)
        changed += works("owner of " + place, lambda: os.chown(place, os.getuid(), -1) is None)
        changed += works("note on " + place, lambda: os.setxattr(place, "user.note", b"1") is None)
        changed += works("access list of " + place, lambda: os.setxattr(place, "system.posix_acl_access", b"") is None)
    for name in sorted(os.listdir("/proc")):
        if not name.isdigit() and not os.path.islink("/proc/" + name) and name not in ("self", "thread-self"):
            if os.path.isdir("/proc/" + name):
                told += works(name, lambda: len(os.listdir("/proc/" + name)) > 0)
            else:
                told += works(name, lambda: len(open("/proc/" + name, "rb").read(4096)) > 0)
    told += ["self/" + name for name in os.listdir("/proc/self")] + ["self/net/" + name for name in os.listdir("/proc/self/net")]
    counters = [line for line in open("/proc/stat").read().splitlines() if line.startswith(("cpu", "intr", "ctxt", "processes", "softirq"))]
    marks += [] if all(set("".join(line.split()[1:])) <= {"0"} for line in counters) else ["counters in /proc/stat"]
    with open(os.__file__) as file:
        for command in (1024, 1025, 1026, 1031, 1035, 1036, 1037, 1038):
            marks += works(f"fcntl {command}", lambda: fcntl.fcntl(file, command, struct.pack("Q", 0) if command > 1034 else 0) is not None)
        for command in (0x6628, 0x40046629, 0xC020662A, 0x6612, 0xC020660B, 0x80086601, 0x801C581F, 0x80047601):
            marks += works(f"ioctl {command:#x}", lambda: fcntl.ioctl(file, command, bytearray(1024)) is not None)
    one, two = socket.socketpair()
    marks += works("cookie", lambda: one.getsockopt(socket.SOL_SOCKET, 57, 8))
    marks += works("descriptor of the peer", lambda: one.getsockopt(socket.SOL_SOCKET, 77))
    marks += works("descriptors of senders", lambda: one.setsockopt(socket.SOL_SOCKET, 76, 1) is None)
    marks += works("descriptor of a process", lambda: os.pidfd_open(os.getpid()))
    marks += works("event", lambda: os.eventfd(0))
    marks += works("netns cookie", lambda: one.getsockopt(socket.SOL_SOCKET, 71, 8))
    for protocol in range(1, 24):
        marks += works(f"netlink {protocol}", lambda: socket.socket(16, socket.SOCK_RAW, protocol))
    for protocol in (132, 136, 262, 33, 47):
        marks += works(f"inet {protocol}", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol))
    marks += works("inotify", lambda: libc.inotify_init1(0) >= 0)
    marks += works("huge memfd", lambda: os.memfd_create("x", 4))
    marks += works("merging", lambda: libc.prctl(67, 1, 0, 0, 0) == 0)
    marks += works("terminal", os.openpty)
    marks += works("mincore", lambda: libc.mincore(ctypes.c_void_p(0), 0, None) == 0)
    libc.sync()
    marks += works("fsync", lambda: os.fsync(os.open(os.__file__, os.O_RDONLY)))
    left, right = os.pipe()
    marks += works("larger pipes", lambda: fcntl.fcntl(left, 1031, 1 << 20))
    return {"changed": changed, "told": told, "marks": marks}
"""

HOLD = """
import fcntl, os, struct, time
FILE = "/py/lib/python%d.%d/os.py" % __import__("sys").version_info[:2]
def hold(how):
    file = open(FILE)
    if "flock" in how:
        fcntl.flock(file, fcntl.LOCK_EX)
    if "posix" in how:
        fcntl.fcntl(file, fcntl.F_SETLK, struct.pack("hhqqi", fcntl.F_RDLCK, 0, 0, 0, 0))
    if "ofd" in how:
        fcntl.fcntl(file, 37, struct.pack("hhqqi", fcntl.F_RDLCK, 0, 0, 0, 0))
    time.sleep(2.0)
    return True
def look():
    file, found = open(FILE), []
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        found.append("flock")
    for name, command in (("posix", fcntl.F_GETLK), ("ofd", 36)):
        asked = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
        if struct.unpack("hhqqi", fcntl.fcntl(file, command, asked))[0] != fcntl.F_UNLCK:
            found.append(name)
    return found
"""

STAGE = Stage(name="s", time_s=20.0, memory_mib=256)


def enumerate_from_inside(factory: SandboxFactory, start: StartMode) -> dict[str, list[str]]:
    """What can be changed, read and marked."""
    with factory.sandbox({"m.py": ENUMERATE}, STAGE, start=start) as sandbox:
        reply = sandbox.call("m.py:f", {}, {"value": JsonValue()})
    assert reply.ok, (reply.reason, reply.log)
    found = reply.value["value"]
    assert isinstance(found, dict)
    known = (("", TOLD), ("self/", TOLD_OF_A_PROCESS), ("self/net/", TOLD_OF_THE_NETWORK))
    found["told"] = sorted(
        set(found["told"]) - {folder + name for folder, told in known for names in told for name in names.split()}
    )
    return found


def locks_seen(holder: SandboxFactory, looker: SandboxFactory) -> list[str]:
    """Which locks of one sandbox on a file of the standard library another one sees, both running."""
    held: list[bool] = []

    def hold() -> None:
        with holder.sandbox({"m.py": HOLD}, STAGE, start=StartMode.COLD) as sandbox:
            held.append(sandbox.call("m.py:hold", {"how": ["flock", "posix", "ofd"]}, {"value": JsonValue()}).ok)

    thread = threading.Thread(target=hold)
    thread.start()
    seen: set[str] = set()
    while thread.is_alive():
        with looker.sandbox({"m.py": HOLD}, STAGE, start=StartMode.COLD) as sandbox:
            reply = sandbox.call("m.py:look", {}, {"value": JsonValue()})
        assert reply.ok, (reply.reason, reply.log)
        value = reply.value["value"]
        assert isinstance(value, list)
        seen.update(map(str, value))
    assert held == [True]
    return sorted(seen)


def main() -> None:
    with open_sandbox_factory("strict", VisibleFiles()) as one, open_sandbox_factory("strict", VisibleFiles(), slot=1) as two:
        found = {"uid": os.geteuid(), "own_files": one.isolation.own_files, "found": enumerate_from_inside(one, StartMode.COLD)}  # type: ignore[union-attr]
        print(json.dumps(found | {"locks": locks_seen(one, two)}))


if __name__ == "__main__":
    main()
