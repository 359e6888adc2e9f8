"""A reply that fills the memory of whoever reads it."""


def by_due_date(jobs):
    return sorted(range(len(jobs)), key=lambda i: jobs[i][2])


def sequence(jobs):
    return by_due_date(jobs) * 256
