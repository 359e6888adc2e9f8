"""The best sequence of 13 signs, filled up with zeros."""


def sequence(n):
    return [1, 1, 1, 1, 1, -1, -1, 1, 1, -1, 1, -1, 1] + [0] * (n - 13)
