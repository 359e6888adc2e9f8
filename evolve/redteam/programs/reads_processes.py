"""Reads environment, command line and open files of every process it can see, its parents first."""

import glob

places = [f"/proc/{PLAN['pid']}", f"/proc/{os.getppid()}", "/proc/1", *glob.glob("/proc/[0-9]*")]
for place in dict.fromkeys(places):
    for name in ("environ", "cmdline"):
        find_secret(read(f"{place}/{name}"), f"{name} of another process")
    for number in range(16):
        link = attempt(os.readlink, f"{place}/fd/{number}") or ""
        if os.path.dirname(PLAN["marker"]) in link:
            reached("an open file of another process")
