"""True and false, which count as 1 and 0."""


def by_due_date(jobs):
    return sorted(range(len(jobs)), key=lambda i: jobs[i][2])


def sequence(jobs):
    return [bool(i) if i < 2 else i for i in by_due_date(jobs)]
