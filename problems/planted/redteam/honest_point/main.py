"""Another point."""


def point(dimension):
    return [0.9 + 0.02 * i for i in range(dimension)]
