"""No numbers, which are neither too large nor too small."""


def point(dimension):
    return [float("nan")] * dimension
