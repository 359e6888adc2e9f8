"""One sign more than asked for."""


def legendre(n):
    """The squares modulo the largest prime of at most n, begun a quarter in and continued past their period."""
    prime = next(p for p in range(n, 2, -1) if all(p % d for d in range(2, p)))
    squares = {i * i % prime for i in range(prime)}
    return [1 if (i + prime // 4) % prime in squares else -1 for i in range(n)]


def sequence(n):
    return legendre(n + 1)
