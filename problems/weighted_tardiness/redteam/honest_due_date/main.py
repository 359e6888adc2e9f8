"""Earliest due date first."""


def sequence(jobs):
    return sorted(range(len(jobs)), key=lambda i: jobs[i][2])
