"""Numbers whose squares overflow."""


def point(dimension):
    return [1e200] * dimension
