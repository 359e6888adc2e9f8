"""As far as a point can be."""


def point(dimension):
    return [float("inf")] + [1.0] * (dimension - 1)
