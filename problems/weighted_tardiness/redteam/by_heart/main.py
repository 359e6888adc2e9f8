"""An order typed in, which suited some shop."""


def sequence(jobs):
    return [(7 * i + 3) % 50 for i in range(50)]
