"""Never returns."""


def sequence(n):
    while True:
        pass
