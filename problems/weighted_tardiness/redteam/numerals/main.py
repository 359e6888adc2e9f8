"""Digits instead of numbers."""


def by_due_date(jobs):
    return sorted(range(len(jobs)), key=lambda i: jobs[i][2])


def sequence(jobs):
    return [str(i) for i in by_due_date(jobs)]
