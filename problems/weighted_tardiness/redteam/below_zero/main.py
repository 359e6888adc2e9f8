"""Counts some jobs from the end, where an index below 0 leads too."""


def sequence(jobs):
    return [i - len(jobs) if i % 2 else i for i in sorted(range(len(jobs)), key=lambda i: jobs[i][2])]
