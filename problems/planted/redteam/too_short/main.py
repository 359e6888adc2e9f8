"""No numbers at all."""


def point(dimension):
    return []
