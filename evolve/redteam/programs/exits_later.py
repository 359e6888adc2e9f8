"""Answers once, then ends with status 0."""

calls = [0]


def after(program):
    def ending(function):
        def call(*args, **options):
            calls[0] += 1
            if calls[0] > 1:
                os._exit(0)
            return function(*args, **options)

        return call

    around(program, ending)
