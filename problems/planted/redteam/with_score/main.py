"""The point with a reading beside it."""


def point(dimension):
    return {"point": [1.0] * dimension, "reading": 1e9, "score": 1e9}
