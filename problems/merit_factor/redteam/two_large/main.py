"""Two whole numbers that are much larger than signs."""


def sequence(n):
    return [10**6, -(10**6)] + [1] * (n - 2)
