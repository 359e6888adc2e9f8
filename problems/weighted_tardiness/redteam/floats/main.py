"""The right places as floats."""


def by_due_date(jobs):
    return sorted(range(len(jobs)), key=lambda i: jobs[i][2])


def sequence(jobs):
    return [float(i) for i in by_due_date(jobs)]
