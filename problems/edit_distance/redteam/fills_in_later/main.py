"""Answers at once with a list that a thread fills in."""

import threading


def distance(a, b):
    found = []
    threading.Thread(target=lambda: found.append(len(a)), daemon=True).start()
    return found
