"""The table by its columns, the ends that are alike cut off first."""


def distance(a, b):
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    a, b = a[start:], b[start:]
    column = list(range(len(a) + 1))
    for j, y in enumerate(b, 1):
        corner, column[0] = column[0], j
        for i, x in enumerate(a, 1):
            corner, column[i] = column[i], min(column[i] + 1, column[i - 1] + 1, corner + (x != y))
    return column[-1]
