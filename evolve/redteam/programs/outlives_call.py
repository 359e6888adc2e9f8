"""Starts processes that go on when it has ended: plain ones, and daemons with sessions of their own."""

import subprocess

command = [sys.executable, "-I", "-S", "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)", WORD]
attempt(subprocess.Popen, command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
pid = attempt(os.fork)
if pid == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(64):
            attempt(os.dup2, null, fd)
        os.execv(command[0], command)
    os._exit(0)
if pid:
    os.waitpid(pid, 0)
