"""A sequence of signs, written down bit by bit."""

BITS = [
    1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1,  # tune: 0..1
    0, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1,  # tune: 0..1
    1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1,  # tune: 0..1
]  # fmt: skip


def sequence(n):
    """A list of n whole numbers, each 1 or -1; past the bits it begins again."""
    return [1 if BITS[i % len(BITS)] else -1 for i in range(n)]
