"""A list that fills the memory of whoever reads it."""


def point(dimension):
    return [1.0] * 50_000
