"""A column of differences in the bits of one number (Myers 1999, Hyyrö 2001)."""


def distance(a, b):
    mask, last = (1 << len(a)) - 1, 1 << (len(a) - 1)
    where = {}
    for i, x in enumerate(a):
        where[x] = where.get(x, 0) | 1 << i
    up, down, score = mask, 0, len(a)
    for y in b:
        equal = where.get(y, 0)
        diagonal = (((equal & up) + up) ^ up) | equal | down
        right, left = down | ~(diagonal | up) & mask, diagonal & up
        score += bool(right & last) - bool(left & last)
        right, left = right << 1 | 1, left << 1
        up, down = (left | ~(diagonal | right)) & mask, right & diagonal
    return score
