"""Fills the table near its diagonal only: quick, and wrong where texts lie far apart."""

WIDTH = 1


def distance(a, b):
    far = len(a) + len(b)
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [far] * (len(b) + 1)
        for j in range(max(1, i - WIDTH + 1), min(len(b), i + WIDTH - 1) + 1):
            new[j] = min(row[j] + 1, new[j - 1] + 1, row[j - 1] + (x != b[j - 1]))
        row = new
    return row[-1]
