"""More numbers than were asked for."""


def point(dimension):
    return [1.0] * (dimension + 1)
