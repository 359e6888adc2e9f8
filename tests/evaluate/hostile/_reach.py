"""Attacks on what the sandbox must not show or let be changed."""

from __future__ import annotations

from hostile._attack import PRELUDE, Attack

READ = """
def attack(secret, port, marker):
    os.symlink(secret, "/work/link")
    places = [secret, "/work/link", "/root", "/root/.ssh", os.path.expanduser("~/.ssh/id_rsa"), "/home", "/etc/passwd",
              "/etc/shadow", "/usr/local",
              "/opt", "/var", "/run", "/sys", "/proc/1/environ/../../../root", "/stub/../private", "/mnt", "/srv",
              os.path.dirname(secret), "/proc/1/cwd/" + secret, "/proc/1/root" + secret]
    found = []
    for place in places:
        try:
            os.listdir(place) if os.path.isdir(place) else open(place, "rb").read(10)
            found.append(place)
        except OSError:
            pass
    try:
        import evolve
        found.append("evolve")
    except ImportError:
        pass
    try:
        import archive
        found.append("archive")
    except ImportError:
        pass
    return found
"""

PACKAGES = """
def attack(secret, port, marker):
    found = []
    for name in ("pip", "setuptools", "pytest", "duckdb", "ray", "anthropic", "zstandard", "hydra", "yaml", "wheel", "packaging"):
        try:
            __import__(name)
            found.append(name)
        except ImportError:
            pass
    for top, folders, files in os.walk("/"):
        if top.startswith(("/proc", "/sys", "/dev")):
            folders[:] = []
        found += [os.path.join(top, name) for name in folders if name in ("site-packages", "dist-packages")
                  and os.listdir(os.path.join(top, name))]
    return found
"""

ENVIRONMENT = """
def attack(secret, port, marker):
    found = [name for name in os.environ if "KEY" in name or "TOKEN" in name or "SECRET" in name]
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                text = open(f"/proc/{name}/environ", "rb").read()
            except OSError:
                continue
            if marker.encode() in text:
                found.append("environ of " + name)
    return found
"""

WRITE = """
def attack(secret, port, marker):
    found = []
    places = ["/x", "/dev/x", "/proc/x", "/candidate/x", "/candidate/attack.py", "/input/x", "/stub/x", "/stub/_stub.pyc", "/py/x",
              sys.executable, os.__file__, "/site/x", "/meta/x", "/usr/lib/x", "/etc/x", "/etc/ld.so.cache", "/tmp/../x"]
    for place in places:
        try:
            open(place, "ab").write(b"")
            found.append(place)
        except OSError:
            pass
    for place in ("/candidate/attack.py", "/py", "/candidate", "/stub/_stub.pyc"):
        found += tried("unlink " + place, lambda: os.rename(place, "/tmp/gone"))
        found += tried("chmod " + place, lambda: os.chmod(place, 0o777))
    return found
"""

PROC_SYS = """
def attack(secret, port, marker):
    found = []
    for top, _, files in os.walk("/proc/sys"):
        for name in files:
            place = os.path.join(top, name)
            try:
                now = open(place, "rb").read()
            except OSError:
                continue
            try:
                file = open(place, "wb", buffering=0)
            except OSError:
                continue
            try:
                file.write(now)  # the value it has: proof of power without harm
                found.append(place)
            except OSError:
                pass
    for place in ("/proc/sysrq-trigger", "/proc/1/oom_score_adj", "/proc/irq/default_smp_affinity", "/proc/self/uid_map",
                  "/proc/self/attr/current", "/proc/timer_list", "/proc/1/mem", "/proc/kcore", "/proc/kmsg", "/proc/1/setgroups"):
        if place in ("/proc/1/mem",):
            continue
        found += tried(place, lambda: open(place, "wb", buffering=0).write(b"0"))
    return found
"""

NETWORK = """
def attack(secret, port, marker):
    def tcp(host):
        with socket.create_connection((host, port), 1): return True
    def abstract():
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect("\\0" + marker); return True
    found = tried("tcp", lambda: tcp("127.0.0.1")) + tried("abstract", abstract) + tried("out", lambda: tcp("8.8.8.8"))
    names = [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]
    found += [name for name in names if name != "lo"]
    def packet():
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3); return True
    found += tried("vsock", lambda: socket.socket(40, socket.SOCK_STREAM) and True)
    found += tried("crypto", lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) and True)
    return found + tried("packet", packet) + tried("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1) and True)
"""

KERNEL = """
def attack(secret, port, marker):
    x86 = os.uname().machine == "x86_64"
    found = []
    flags = {"user": 0x10000000, "mount": 0x20000, "pid": 0x20000000, "net": 0x40000000, "ipc": 0x08000000}
    for name, flag in flags.items():
        found += tried("unshare " + name, lambda: libc.unshare(flag) == 0)
        if x86:
            pid = libc.syscall(56, flag | 17, 0, 0, 0, 0)
            if pid == 0: os._exit(0)
            if pid > 0: found.append("clone " + name)
    found += tried("mount", lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0)
    found += tried("remount", lambda: libc.mount(None, b"/", None, 0x1020, None) == 0)
    found += tried("umount", lambda: libc.umount2(b"/candidate", 2) == 0)
    found += tried("chroot", lambda: os.chroot("/tmp"))
    found += tried("ptrace", lambda: libc.ptrace(0, 0, 0, 0) == 0)
    found += tried("personality", lambda: libc.personality(0x0040000) != -1)
    if x86:
        calls = {"bpf": 321, "io_uring": 425, "keyctl": 250, "add_key": 248, "perf": 298, "userfaultfd": 323, "pidfd_getfd": 438,
                 "clone3": 435, "kexec": 246, "process_vm_readv": 310, "setns": 308, "init_module": 175, "settimeofday": 164,
                 "open_tree": 428, "fsopen": 430, "kcmp": 312, "modify_ldt": 154, "syslog": 103}
        for name, number in calls.items():
            ctypes.set_errno(0)
            if libc.syscall(number, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
                found.append(name)
    return found
"""

FOREIGN_ABI = """
def attack(secret, port, marker):
    libc.syscall(0x40000000 + 39)
    return ["x32"]
"""

PRIVILEGE = """
def attack(secret, port, marker):
    found = tried("setuid", lambda: os.setuid(0)) + tried("setgid", lambda: os.setgid(0))
    found += tried("groups", lambda: os.setgroups([0]))
    found += tried("nice", lambda: os.nice(-10))
    found += tried("realtime", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
    open("/tmp/su", "w").close()
    found += tried("suid", lambda: os.chmod("/tmp/su", 0o4755)) + tried("sgid", lambda: os.chmod("/tmp/su", 0o2755))
    found += tried("device", lambda: os.mknod("/tmp/disk", 0o60666, os.makedev(8, 0)))
    found += tried("hostname", lambda: socket.sethostname("mine"))
    found += tried("clock", lambda: time.clock_settime(time.CLOCK_REALTIME, 0))
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    caps = [status[name].strip() for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")]
    found += ["caps"] * any(int(cap, 16) for cap in caps) + ["uid 0"] * (os.getuid() == 0)
    found += ["new privileges"] * (status["NoNewPrivs"].strip() != "1") + ["no filter"] * (status["Seccomp"].strip() != "2")
    import resource
    found += ["cores"] * (resource.getrlimit(resource.RLIMIT_CORE) != (0, 0))
    found += tried("more files", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20)))
    return found
"""

OTHERS = """
def attack(secret, port, marker):
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    own = {1, int(os.readlink("/proc/self"))}  # warm: the server, and itself by its outer number
    found = [f"sees {pid}" for pid in pids if pid not in own]
    for pid in range(1, 400):
        if pid != os.getpid():
            found += tried(f"signals {pid}", lambda: os.kill(pid, 0))
    found += tried("signals all", lambda: os.kill(-1, signal.SIGSTOP))
    found += ["parent"] * (os.getppid() != 0)
    fds = {int(fd) for fd in os.listdir("/proc/self/fd")}
    return found + [f"descriptor {fd}" for fd in fds if fd > 4]
"""

# Only for children of a fork server, where /proc/1 is the server; in a cold sandbox it is the candidate itself.
SERVER = """
def attack(secret, port, marker):
    found = []
    for name in ("mem", "maps", "environ", "auxv", "stack", "syscall", "io", "pagemap", "smaps"):
        found += tried("reads " + name, lambda: open("/proc/1/" + name, "rb").read(1) != b"")
    for name in ("mem", "oom_score_adj", "comm", "timerslack_ns", "coredump_filter", "autogroup", "clear_refs"):
        found += tried("writes " + name, lambda: open("/proc/1/" + name, "r+b", buffering=0).write(b"1") > 0)
    for name in ("root", "cwd", "exe"):
        found += tried("follows " + name, lambda: os.readlink("/proc/1/" + name))
        found += tried("enters " + name, lambda: os.listdir("/proc/1/" + name))
    for name in range(16):
        found += tried(f"opens descriptor {name}", lambda: os.open(f"/proc/1/fd/{name}", os.O_RDWR) >= 0)
    for name in ("user", "mnt", "net", "pid"):
        found += tried("opens namespace " + name, lambda: libc.setns(os.open("/proc/1/ns/" + name, os.O_RDONLY), 0) == 0)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.nice(5)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    return found
"""

SERVER_ATTACK = Attack(name="server", source=PRELUDE + SERVER)

ATTACKS = tuple(
    Attack(name=name, source=PRELUDE + source)
    for name, source in {
        "read": READ,
        "packages": PACKAGES,
        "environment": ENVIRONMENT,
        "write": WRITE,
        "proc_sys": PROC_SYS,
        "network": NETWORK,
        "kernel": KERNEL,
        "privilege": PRIVILEGE,
        "others": OTHERS,
    }.items()
)
