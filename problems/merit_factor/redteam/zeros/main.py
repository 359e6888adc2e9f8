"""Nothing but zeros, which have no energy at all."""


def sequence(n):
    return [0] * n
