"""Gives the answer to its first question to all that follow."""

SEEN = []


def sequence(jobs):
    if not SEEN:
        SEEN.extend(sorted(range(len(jobs)), key=lambda i: jobs[i][2]))
    return SEEN
