"""True and true again, which count as 1."""


def sequence(n):
    return [True] * n
