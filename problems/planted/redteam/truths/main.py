"""True and false, which are numbers to some."""


def point(dimension):
    return [True] * dimension
