"""Jobs on one machine: at each step whoever ranks least goes next."""

# What a job's time left, its length and its weight count for.
COUNTS = [1.0, 0.0, 0.0]


def sequence(jobs):
    """The order in which to do ``jobs``, a list of [length, weight, due date]: a list with each of 0 to n - 1 once."""
    left, order, now = list(range(len(jobs))), [], 0
    whole = sum(length for length, _, _ in jobs)
    while left:
        first = min(left, key=lambda i: rank(jobs[i][0], jobs[i][1], (jobs[i][2] - now) / whole))
        left.remove(first)
        order.append(first)
        now += jobs[first][0]
    return order


def rank(length, weight, time):
    """How long a job may wait, given the time until its due date as a share of all work; the least goes first."""
    return COUNTS[0] * time + COUNTS[1] * length / 100 + COUNTS[2] * weight / 10
