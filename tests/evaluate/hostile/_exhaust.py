"""Attacks on time, memory, processes, disk and output."""

from __future__ import annotations

from archive import Status
from hostile._attack import PRELUDE, Attack

DAEMON = """
def attack(secret, port, marker):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)", marker])
        os._exit(0)
    os.wait()
    time.sleep(0.05)
    return []
"""

DAEMONS_PAST_TIMEOUT = """
def attack(secret, port, marker):
    for _ in range(5):
        if os.fork() == 0:
            os.setsid()
            spawn(marker).wait()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
"""

HELD_PIPES = """
def attack(secret, port, marker):
    subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)", marker], close_fds=False)
    if os.fork() == 0:
        time.sleep(60)
    return []
"""

FLOOD = """
def attack(secret, port, marker):
    line = b"x" * 65536
    while True:
        os.write(1, line)
        os.write(2, line)
"""

FORK_BOMB = """
def attack(secret, port, marker):
    n = 0
    try:
        while n < 3000:
            if os.fork() == 0:
                time.sleep(60)
            n += 1
    except OSError:
        pass
    return n
"""

FORK_TREE = """
def attack(secret, port, marker):
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)
"""

MEMORY = """
def attack(secret, port, marker):
    kept = []
    while True:
        kept.append(b"x" * (16 << 20))
"""

MEMORY_OF_CHILDREN = """
def attack(secret, port, marker):
    for _ in range(8):
        if os.fork() == 0:
            kept = [bytearray(b"x" * (1 << 20)) for _ in range(100)]
            time.sleep(60)
    time.sleep(1.5)
    return []
"""

FILL = """
def attack(secret, port, marker):
    written = {}
    for place in ("/work", "/tmp", "/output", "/dev/shm"):
        with open(place + "/full", "wb", buffering=0) as file:
            size = 0
            try:
                while size < 2 << 30:
                    size += file.write(b"x" * (1 << 20))
            except OSError:
                pass
        os.unlink(place + "/full")
        written[place] = size >> 20
    return written
"""

SLEEP = """
def attack(secret, port, marker):
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    time.sleep(60)
"""

OWN_GROUP = """
def attack(secret, port, marker):
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
        os.kill(0, number)
    os.kill(0, signal.SIGSTOP)  # the first process of a namespace hears neither of these from inside
    os.kill(0, signal.SIGKILL)
    os.killpg(0, signal.SIGKILL)
    return [] if os.getpgid(0) == os.getsid(0) == os.getpid() else ["shares a session"]
"""

CPU_OF_CHILDREN = """
def attack(secret, port, marker):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in range(4):
        if os.fork() == 0:
            os.setsid()
            while True: pass
    time.sleep(60)
"""


def _small(written: object) -> bool:
    return isinstance(written, dict) and len(written) == 4 and all(size <= 128 for size in written.values())


ATTACKS = (
    Attack(name="daemon", source=PRELUDE + DAEMON),
    Attack(name="daemons_past_timeout", source=PRELUDE + DAEMONS_PAST_TIMEOUT, statuses=(Status.TIMEOUT,), time_s=0.7),
    Attack(name="held_pipes", source=PRELUDE + HELD_PIPES),
    Attack(name="flood", source=PRELUDE + FLOOD, statuses=(Status.CRASH,)),
    Attack(  # the system refuses to fork, or whoever watches the tree is quicker
        name="fork_bomb",
        source=PRELUDE + FORK_BOMB,
        statuses=(Status.OK, Status.CRASH),
        value=lambda n: isinstance(n, int) and n <= 100,
    ),
    Attack(name="fork_tree", source=PRELUDE + FORK_TREE, statuses=(Status.TIMEOUT, Status.CRASH), time_s=1.0),
    Attack(name="memory", source=PRELUDE + MEMORY, statuses=(Status.CRASH,)),
    Attack(name="memory_of_children", source=PRELUDE + MEMORY_OF_CHILDREN, statuses=(Status.CRASH,), time_s=8.0),
    Attack(name="fill", source=PRELUDE + FILL, statuses=(Status.OK, Status.CRASH), value=_small),
    Attack(name="sleep", source=PRELUDE + SLEEP, statuses=(Status.TIMEOUT,), time_s=0.4),
    Attack(name="own_group", source=PRELUDE + OWN_GROUP),
    Attack(name="cpu_of_children", source=PRELUDE + CPU_OF_CHILDREN, statuses=(Status.TIMEOUT,), time_s=0.8),
)
