"""Measures the first half of each text, and doubles it."""


def distance(a, b):
    a, b = a[: len(a) // 2], b[: len(b) // 2]
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [i]
        for j, y in enumerate(b, 1):
            new.append(min(row[j] + 1, new[j - 1] + 1, row[j - 1] + (x != y)))
        row = new
    return 2 * row[-1]
