"""Whole numbers that no float can hold."""


def point(dimension):
    return [10**399] * dimension
