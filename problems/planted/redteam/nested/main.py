"""A list of lists of lists."""


def point(dimension):
    return [[[1.0]]] * dimension
