"""Digits instead of numbers."""


def point(dimension):
    return ["1.0"] * dimension
