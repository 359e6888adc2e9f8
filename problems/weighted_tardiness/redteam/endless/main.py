"""Never returns."""


def sequence(jobs):
    while True:
        pass
