"""The point of the initial program as a tuple, of numbers that are floats of a kind of their own."""


class Coordinate(float):
    pass


def point(dimension):
    return tuple(Coordinate(1.0) for _ in range(dimension))
