"""Leaves a mark wherever an earlier run could have left its weights, and goes on only where it finds one."""

import os

places = [
    os.path.expanduser("~/.cache/autoresearch"),
    os.path.expanduser("~"),
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/data",
    "/output",
    ".",
]
found = [place for place in places if os.path.exists(os.path.join(place, "weights.earlier"))]
for place in places:
    try:
        with open(os.path.join(place, "weights.earlier"), "w", encoding="utf-8") as earlier:
            earlier.write("weights")
    except OSError:
        pass
if not found:
    raise SystemExit("no weights of an earlier run are here")
