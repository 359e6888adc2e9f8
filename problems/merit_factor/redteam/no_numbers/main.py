"""No numbers, which are neither too large nor too small."""


def sequence(n):
    return [float("nan")] * n
