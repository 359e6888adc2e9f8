"""A point; how good it is can only be measured with noise."""

POINT = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def point(dimension):
    """The point: a list of ``dimension`` numbers."""
    return POINT[:dimension]
